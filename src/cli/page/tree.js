/* SPDX-License-Identifier: Apache-2.0 */
/* tree.js - keys by their parts, layers that are alike as one; and where tiles go. */

const NONE = Object.freeze([]);

/* A tensor (leaf >= 0), a group, or a run: numbered groups that are alike. */
class Node {
	constructor(part) {
		this.part = part;
		this.label = part; /* with what is alone below it */
		this.leaf = -1;
		this.kids = NONE;
		this.run = false;
		this.n = 0;
		this.bytes = 0;
		this.kind = 0; /* the same for what is alike */
	}
}

/* How many leading parts of two keys are the same, and groups. */
function common(a, b) {
	let parts = 0;

	for (let i = 0; i < a.length && a.charCodeAt(i) === b.charCodeAt(i); i++)
		if (a[i] === ".")
			parts++;
	return parts;
}

/* Keys are in natural order: those of a group lie together.  What is alone at
 * the end of a key needs no groups. */
function grow(side) {
	const { keys } = side, path = [new Node("")];
	let before = 0;

	for (let i = 0; i < side.n; i++) {
		const key = keys[i], after = i + 1 < side.n ? common(key, keys[i + 1]) : 0;
		let at = 0;

		path.length = before + 1;
		for (let k = 0; k < Math.max(before, after); k++) {
			const dot = key.indexOf(".", at);
			if (k >= before)
				path.push(add(path[k], key.slice(at, dot)));
			at = dot + 1;
		}
		const dot = key.indexOf(".", at);
		const leaf = add(path[path.length - 1], key.slice(at, dot < 0 ? key.length : dot));
		leaf.label = key.slice(at);
		leaf.leaf = i;
		before = after;
	}
	return path[0];
}

function add(to, part) {
	const node = new Node(part);

	if (to.kids === NONE)
		to.kids = [];
	to.kids.push(node);
	return node;
}

/* Numbers one after another with the same below them become one. */
function fold(kids) {
	const out = [];

	for (let i = 0; i < kids.length; ) {
		let end = i + 1;

		if (kids[end]?.kind === kids[i].kind && /^(0|[1-9]\d{0,14})$/.test(kids[i].part))
			while (end < kids.length && kids[end].kind === kids[i].kind &&
			       kids[end].part === String(Number(kids[i].part) + end - i))
				end++;
		if (end - i > 1) {
			const run = new Node(`{${kids[i].part}..${kids[end - 1].part}}`);
			run.run = true;
			run.kids = kids.slice(i, end);
			for (const kid of run.kids) {
				run.n += kid.n;
				run.bytes += kid.bytes;
			}
			out.push(run);
		} else {
			out.push(kids[i]);
		}
		i = end;
	}
	return out;
}

/* Sums, kinds and runs, from the leaves up; not recursive, for how deep it is
 * strangers say. */
function settle(root, side) {
	const kinds = new Map(), order = [root];

	for (let i = 0; i < order.length; i++)
		for (const kid of order[i].kids)
			order.push(kid);
	for (const node of order.reverse()) {
		let kind = "";

		if (node.leaf >= 0) {
			node.n = 1;
			node.bytes = side.form(node.leaf).bytes;
			kind = `=${side.columns.form[node.leaf]}${node.label.slice(node.part.length)}`;
		}
		for (const kid of node.kids) {
			node.n += kid.n;
			node.bytes += kid.bytes;
			kind += `${kid.kind}:${kid.part.length}:${kid.part}`;
		}
		if (!kinds.has(kind))
			kinds.set(kind, kinds.size);
		node.kind = kinds.get(kind);
		if (node.kids.length > 1)
			node.kids = fold(node.kids);
		if (node.kids.length === 1 && node !== root) {
			const [kid] = node.kids;
			node.label += "." + kid.label;
			node.leaf = kid.leaf;
			node.run = kid.run;
			node.kids = kid.kids;
		}
	}
	return root;
}

/* The dtype with most bytes in @node, found in what stands for it. */
function mainly(node, side) {
	while (node.leaf < 0)
		node = node.kids.reduce((a, b) => (b.bytes > a.bytes ? b : a));
	return side.form(node.leaf).dtype;
}

/*
 * Rectangles for @nodes, most bytes first, in the rectangle (x, y, w, h), as
 * square as can be: rows along the shorter side, each as long as it gets better.
 */
function squarify(nodes, x, y, w, h) {
	const tiles = [];
	let left = nodes.reduce((sum, node) => sum + node.bytes, 0);

	for (let i = 0; i < nodes.length && w > 0 && h > 0; ) {
		const side = Math.min(w, h), scale = (w * h) / left;
		let sum = 0, worst = Infinity, end = i;

		for (; end < nodes.length; end++) {
			const now = sum + nodes[end].bytes, thick = (now * scale) / side;
			const first = (nodes[i].bytes * scale) / thick, latest = (nodes[end].bytes * scale) / thick;
			const worse = Math.max(first / thick, thick / first, latest / thick, thick / latest);
			if (worse > worst)
				break;
			sum = now;
			worst = worse;
		}
		let at = 0;
		const thick = (sum * scale) / side;
		for (; i < end; i++) {
			const long = (nodes[i].bytes * scale) / thick;
			tiles.push(w < h ? { node: nodes[i], x: x + at, y, w: long, h: thick } :
			                   { node: nodes[i], x, y: y + at, w: thick, h: long });
			at += long;
		}
		left -= sum;
		if (w < h) {
			y += thick;
			h -= thick;
		} else {
			x += thick;
			w -= thick;
		}
	}
	return tiles;
}
