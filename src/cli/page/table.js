/* SPDX-License-Identifier: Apache-2.0 */
/* table.js - one side's tensors, of which only the rows in sight exist. */

const TALLEST = 8e6; /* pixels: browsers differ above */

class Table {
	/* @columns: {name, cell(i), order(i) or nothing, right}; the first is the key. */
	constructor(place, side, columns, onChoice) {
		this.side = side;
		this.columns = columns;
		this.onChoice = onChoice;
		this.rows = [];
		this.chosen = -1; /* a tensor */
		this.sorted = { column: 0, down: false };
		this.id = `row-${side.name}-`;
		this.words = [];
		this.head = h("div", { class: "row head", role: "row" }, columns.map((c, k) =>
			h("span", { role: "columnheader", class: c.right ? "right" : null },
			  c.order ? h("button", { type: "button", onclick: () => this.sort(k) }, c.name) : c.name)));
		this.sheet = h("div", { class: "sheet" });
		this.body = h("div", { class: "body", tabindex: "0", role: "rowgroup", "aria-label": `Tensors of the ${side.name}`,
			onscroll: () => this.later(), onkeydown: (e) => this.key(e) }, this.sheet);
		this.grid = h("div", { class: `grid ${side.name}`, role: "grid", hidden: true }, this.head, this.body);
		place.append(this.grid);
		new ResizeObserver(() => this.draw()).observe(this.body);
	}

	get rowHeight() {
		return parseFloat(getComputedStyle(this.body).getPropertyValue("--row")) || 28;
	}

	/* All of @words must be in a key, any case; and keep(i). */
	filter(text, keep) {
		const words = text.toLowerCase().split(/\s+/).filter(Boolean);
		const { side } = this;

		this.words = words;
		this.rows = [];
		side.lower ||= side.keys.map((k) => k.toLowerCase());
		for (let i = 0; i < side.n; i++)
			if (words.every((w) => side.lower[i].includes(w)) && keep(i))
				this.rows.push(i);
		this.order();
	}

	sort(column) {
		this.sorted = { column, down: this.sorted.column === column ? !this.sorted.down : this.columns[column].right === true };
		this.rows.sort((a, b) => a - b);
		this.order();
	}

	order() {
		const { column, down } = this.sorted, { order } = this.columns[column];
		const turn = down ? -1 : 1;

		if (column || down)
			this.rows.sort((a, b) => {
				const x = order(a), y = order(b);
				return x < y ? -turn : x > y ? turn : a - b;
			});
		[...this.head.children].forEach((cell, k) => {
			if (this.columns[k].order)
				cell.setAttribute("aria-sort", k !== column ? "none" : down ? "descending" : "ascending");
		});
		this.grid.setAttribute("aria-rowcount", this.rows.length);
		this.body.scrollTop = 0;
		this.draw();
	}

	later() {
		this.asked ||= requestAnimationFrame(() => {
			this.asked = 0;
			this.draw();
		});
	}

	draw() {
		const row = this.rowHeight, all = this.rows.length * row;
		const tall = Math.min(all, TALLEST), seen = this.body.clientHeight;
		const room = Math.max(tall - seen, 1), top = this.body.scrollTop;
		/* Where the sheet is cut short, a pixel of it stands for more. */
		const at = all > tall ? Math.min(top / room, 1) * (all - seen) : top;
		const first = Math.max(Math.floor(at / row) - 4, 0);
		const end = Math.min(first + Math.ceil(seen / row) + 9, this.rows.length);
		const lines = [];

		if (this.grid.hidden)
			return;
		for (let k = first; k < end; k++)
			lines.push(this.row(k, top + k * row - at));
		this.sheet.style.height = `${tall}px`;
		this.sheet.replaceChildren(...lines);
		if (this.chosen >= 0)
			this.body.setAttribute("aria-activedescendant", this.id + this.chosen);
	}

	row(k, y) {
		const i = this.rows[k];
		const e = h("div", { class: "row", role: "row", id: this.id + i, "aria-rowindex": k + 1, "aria-selected": String(i === this.chosen),
			onclick: () => this.choose(i, true) },
			this.columns.map((c, n) => {
				const cell = h("span", { role: "gridcell", class: c.right ? "right" : c.kind || null });
				if (n)
					cell.append(c.cell(i));
				else
					cell.append(...this.found(this.side.keys[i]));
				if (!n)
					cell.title = show(this.side.keys[i]);
				return cell;
			}));

		e.style.transform = `translateY(${y}px)`;
		return e;
	}

	/* @key, with what was searched for marked. */
	found(key) {
		const lower = key.toLowerCase(), out = [];
		let at = 0;

		if (lower.length !== key.length)
			return [show(key)];
		while (this.words.length && at < key.length) {
			let begin = key.length, n = 0;
			for (const w of this.words) {
				const k = lower.indexOf(w, at);
				if (k >= 0 && (k < begin || (k === begin && w.length > n))) {
					begin = k;
					n = w.length;
				}
			}
			if (!n)
				break;
			out.push(show(key.slice(at, begin)), h("mark", {}, show(key.slice(begin, begin + n))));
			at = begin + n;
		}
		out.push(show(key.slice(at)));
		return out;
	}

	choose(i, tell) {
		this.chosen = i;
		this.draw();
		if (tell)
			this.onChoice(i);
	}

	/* Have row @k in sight. */
	reveal(k) {
		const row = this.rowHeight, { body } = this, all = this.rows.length * row, seen = body.clientHeight;
		const ratio = all > TALLEST ? (TALLEST - seen) / (all - seen) : 1;
		const at = body.scrollTop / ratio;

		if (k * row < at)
			body.scrollTop = k * row * ratio;
		else if ((k + 1) * row > at + seen)
			body.scrollTop = ((k + 1) * row - seen) * ratio;
	}

	key(e) {
		const page = Math.max(Math.floor(this.body.clientHeight / this.rowHeight) - 1, 1);
		const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity }[e.key];

		if (step === undefined || !this.rows.length)
			return;
		const now = this.rows.indexOf(this.chosen);
		const to = Math.min(Math.max(now + step, 0), this.rows.length - 1);
		e.preventDefault();
		this.reveal(to);
		this.choose(this.rows[to], true);
	}
}
