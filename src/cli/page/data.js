/* SPDX-License-Identifier: Apache-2.0 */
/* data.js - the page's data unfolded, and how it is shown. */
"use strict";

/*
 * An element with attributes, handlers ("onclick") and children.  Strings
 * become texts and never markup: most of them were written by strangers.
 */
function h(name, attributes, ...children) {
	const e = document.createElement(name);

	for (const [key, value] of Object.entries(attributes || {}))
		if (key.startsWith("on"))
			e.addEventListener(key.slice(2), value);
		else if (value !== false && value !== null && value !== undefined)
			e.setAttribute(key, value === true ? "" : value);
	e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
	return e;
}

const $ = (id) => document.getElementById(id);

/* What can't be seen, or turns the direction of what is behind it, as escapes. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
function show(text) {
	return text.replace(UNSEEN, (c) => {
		const hex = c.charCodeAt(0).toString(16);
		return hex.length > 2 ? "\\u" + hex.padStart(4, "0") : "\\x" + hex.padStart(2, "0");
	});
}

/* A key that may be broken behind its dots. */
function breakable(key) {
	return show(key).split(".").flatMap((part, i) => (i ? [".", document.createElement("wbr"), part] : [part]));
}

const grouped = new Intl.NumberFormat("en");
const count = (n) => grouped.format(n);
const plural = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;

/* As the program does: "5.0 GB". */
function size(bytes) {
	const units = ["B", "KB", "MB", "GB", "TB", "PB"];
	let i = 0;

	for (; bytes >= 999.95 && i < units.length - 1; i++)
		bytes /= 1000;
	return `${i ? bytes.toFixed(1) : bytes} ${units[i]}`;
}

function share(part, whole) {
	if (!whole)
		return "0 %";
	const percent = (100 * part) / whole;
	return percent && percent < 0.1 ? "< 0.1 %" : `${percent.toFixed(1)} %`;
}

/* Each key: what it shares with the one before, a part, and a word for the rest. */
function unfold({ same, part, rest }, words) {
	let last = "";
	return part.map((text, i) => (last = last.slice(0, same[i]) + text + words[rest[i]]));
}

class Form {
	constructor([dtype, shape, bytes]) {
		this.dtype = dtype;
		this.shape = `[${shape.join(", ")}]`;
		this.elements = shape.reduce((n, d) => n * d, 1);
		this.bytes = bytes;
	}
}

/* The tensors of one side: columns, a number each. */
class Side {
	constructor(name, raw, columns, files) {
		this.name = name;
		this.keys = unfold(columns, raw.words);
		this.n = this.keys.length;
		this.columns = columns;
		this.files = files;
		this.forms = raw.forms;
		this.words = raw.words;
		this.bytes = 0;
		for (let i = 0; i < this.n; i++)
			this.bytes += this.form(i).bytes;
	}
	form(i) {
		return this.forms[this.columns.form[i]];
	}
	file(i) {
		return this.files[this.columns.file[i]];
	}
	word(column, i) {
		return this.words[this.columns[column][i]];
	}
	/* {dtype: {n, bytes}}, most bytes first. */
	totals() {
		const all = new Map();

		for (let i = 0; i < this.n; i++) {
			const { dtype, bytes } = this.form(i);
			const t = all.get(dtype) || { n: 0, bytes: 0 };
			t.n++;
			t.bytes += bytes;
			all.set(dtype, t);
		}
		return new Map([...all].sort((a, b) => b[1].bytes - a[1].bytes));
	}
}

const raw = JSON.parse($("data").textContent);
raw.forms = raw.forms.map((f) => new Form(f));
const source = new Side("source", raw, raw.keys, raw["source-files"]);
const view = new Side("view", raw, raw.tensors, raw["view-files"]);

/* Which tensors of the view are made of source key @i: made when first asked. */
let users = null;
function usersOf(i) {
	if (!users) {
		users = new Map();
		view.columns.sources.forEach((keys, out) => {
			for (const k of keys)
				if (users.has(k))
					users.get(k).push(out);
				else
					users.set(k, [out]);
		});
	}
	return users.get(i) || (source.columns.into[i] >= 0 ? [source.columns.into[i]] : []);
}
