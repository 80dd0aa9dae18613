/* SPDX-License-Identifier: Apache-2.0 */
/* map.js - the bytes of one side as tiles. */

const MOST_TILES = 400; /* that can be opened; the rest is one */
const MOST_MARKS = 3000; /* what is drawn in them */

class TreeMap {
	constructor(place, side, onTensor) {
		this.side = side;
		this.onTensor = onTensor;
		this.path = [settle(grow(side), side)];
		this.crumbs = h("nav", { class: "crumbs", "aria-label": `Where in the ${side.name}` });
		this.area = h("div", { class: "area", role: "group", "aria-label": `Bytes of the ${side.name}`,
			onkeydown: (e) => this.key(e), onfocusin: (e) => this.say(e), onpointerover: (e) => this.say(e) });
		this.said = h("p", { class: "said", "aria-live": "polite" });
		place.append(h("figure", {}, h("figcaption", {}, this.crumbs), this.area, this.said));
		new ResizeObserver(() => this.draw()).observe(this.area);
	}

	/* The group that is shown. */
	get here() {
		return this.path[this.path.length - 1];
	}

	/* "model.layers.{0..60}.17" */
	name(trail) {
		return [...this.path.slice(1), ...trail].map((node) => node.label).join(".");
	}

	go(path, focus) {
		this.path = path;
		this.draw();
		const tiles = [...this.area.querySelectorAll("button")];
		(tiles.find((t) => t.node === focus) || tiles[0] || this.area).focus();
	}

	open(nodes) {
		const last = nodes[nodes.length - 1];

		if (last.leaf >= 0)
			this.onTensor(last.leaf);
		else
			this.go([...this.path, ...nodes]);
	}

	up() {
		if (this.path.length > 1)
			this.go(this.path.slice(0, -1), this.here);
	}

	draw() {
		const { clientWidth: w, clientHeight: height } = this.area;
		const node = this.here;
		const kids = biggest(node.kids);
		const rest = kids.splice(MOST_TILES);

		if (rest.length) {
			const more = new Node(`${count(rest.length)} smaller ones`);
			for (const kid of rest) {
				more.n += kid.n;
				more.bytes += kid.bytes;
			}
			more.kids = rest;
			kids.push(more);
		}
		this.marks = 0;
		this.area.replaceChildren(...squarify(kids, 0, 0, w, height).map((t) => this.tile(t)));
		if (!kids.length)
			this.area.append(h("p", { class: "hint" }, "There are no bytes."));
		const first = this.area.querySelector("button");
		if (first)
			first.tabIndex = 0;
		this.drawCrumbs();
		this.tell([]);
	}

	tile({ node, x, y, w, h: height }) {
		const group = node.leaf < 0;
		const e = h("button", { class: group ? "tile group" : "tile", type: "button", tabindex: "-1",
			"data-dtype": group ? null : this.side.form(node.leaf).dtype,
			"aria-label": `${show(this.name([node]))}: ${this.about(node)}`,
			onclick: (event) => this.open([node, ...(event.target.opens || [])]) });

		e.node = node;
		e.trail = [node];
		put(e, x + 1, y + 1, w - 2, height - 2);
		if (w > 34 && height > 18)
			e.append(h("span", { class: "label" }, show(node.label) || "\"\""),
			         w > 120 || height > 40 ? h("span", { class: "size" }, size(node.bytes)) : "");
		if (group)
			this.fill(e, [node], [], 3, 22, w - 8, height - 27);
		return e;
	}

	/*
	 * What is in the last group of @trail, as far as it can be seen; of those
	 * that are alike, one.  A click opens @opens, groups with a label; which one
	 * of a run is meant, it can't say (null).
	 */
	fill(e, trail, opens, x, y, w, height) {
		let node = trail[trail.length - 1], inRun = !opens;

		for (; node.run; inRun = true)
			node = node.kids[0];
		if (w < 6 || height < 6 || trail.length > 6)
			return;
		const kids = node.leaf >= 0 ? [node] : biggest(node.kids);
		for (const t of squarify(kids.slice(0, MOST_TILES), x, y, w, height))
			if (this.marks < MOST_MARKS && t.w >= 1.5 && t.h >= 1.5)
				this.mark(e, [...trail, t.node], inRun ? null : opens, t);
	}

	mark(e, trail, opens, { node, x, y, w, h: height }) {
		const inside = node.leaf < 0 && w > 14 && height > 14 && trail.length < 7;
		const labelled = w > 60 && height > 26;
		const m = h("i", { class: inside ? "mark group" : "mark", "data-dtype": inside ? null : mainly(node, this.side) });

		this.marks++;
		put(m, x + 0.5, y + 0.5, w - 1, height - 1);
		if (labelled)
			m.append(h("span", { class: "label" }, show(node.label) || "\"\""));
		m.trail = trail;
		m.opens = opens && inside && labelled ? [...opens, node] : e.opens || [];
		e.append(m);
		if (inside)
			this.fill(m, trail, opens && m.opens, 2, labelled ? 16 : 2, w - 6, height - (labelled ? 20 : 6));
	}

	/* Of @times groups that are alike, all. */
	about(node, times = 1) {
		const of = times * (node.run ? node.kids.length : 1);
		const bytes = times * node.bytes;

		if (node.leaf >= 0) {
			const form = this.side.form(node.leaf);
			return `${times > 1 ? count(times) + " × " : ""}${form.dtype} ${form.shape}, ${size(bytes)}`;
		}
		return `${plural(times * node.n, "tensor")}, ${of > 1 ? `${count(of)} × ${size(bytes / of)}, ` : ""}` +
			`${size(bytes)}, ${share(bytes, this.side.bytes)} of the ${this.side.name}`;
	}

	tell(trail) {
		let times = 1;

		for (const node of trail.slice(0, -1))
			times *= node.run ? node.kids.length : 1;
		this.said.replaceChildren(h("b", {}, show(this.name(trail) || `all of the ${this.side.name}`)), "  ",
			this.about(trail.length ? trail[trail.length - 1] : this.here, times));
	}

	say(e) {
		const tile = e.target.closest(".mark, .tile");

		if (tile)
			this.tell(tile.trail);
	}

	drawCrumbs() {
		this.crumbs.replaceChildren(...this.path.flatMap((node, i) => {
			const label = i ? show(node.label) || "\"\"" : this.side.name;
			return i === this.path.length - 1 ?
				[h("b", { "aria-current": "true" }, label), h("span", { class: "size" }, size(node.bytes))] :
				[h("button", { type: "button", onclick: () => this.go(this.path.slice(0, i + 1), this.path[i + 1]) }, label), h("span", {}, "›")];
		}));
	}

	/* Arrows: to the nearest tile that way. */
	key(e) {
		const from = e.target.closest(".tile");
		const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];

		if (e.key === "Escape" || e.key === "Backspace") {
			this.up();
		} else if (way && from) {
			const a = middle(from);
			let best = null, least = Infinity;
			for (const to of this.area.querySelectorAll(".tile")) {
				const b = middle(to), ahead = (b.x - a.x) * way[0] + (b.y - a.y) * way[1];
				const aside = Math.abs((b.x - a.x) * way[1]) + Math.abs((b.y - a.y) * way[0]);
				if (to !== from && ahead > 1 && ahead + 2 * aside < least) {
					least = ahead + 2 * aside;
					best = to;
				}
			}
			if (best) {
				from.tabIndex = -1;
				best.tabIndex = 0;
				best.focus();
			}
		} else {
			return;
		}
		e.preventDefault();
	}
}

function biggest(nodes) {
	return nodes.filter((node) => node.bytes).sort((a, b) => b.bytes - a.bytes);
}

function middle(e) {
	const r = e.getBoundingClientRect();
	return { x: r.x + r.width / 2, y: r.y + r.height / 2 };
}

function put(e, x, y, w, height) {
	Object.assign(e.style, { left: `${x}px`, top: `${y}px`, width: `${Math.max(w, 0)}px`, height: `${Math.max(height, 0)}px` });
}
