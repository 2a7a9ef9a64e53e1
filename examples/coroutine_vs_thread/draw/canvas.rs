//! Writing SVG: a few shapes, named by class, so that the colours follow the reader's theme.

use std::fmt::{Display, Write};

/// A drawing in the making. Lengths are pixels, from the top left.
#[derive(Debug)]
pub struct Canvas {
    pub width: f64,
    pub height: f64,
    body: String,
}

/// Where a text stands, seen from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    /// Starts an empty drawing.
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// Writes text with its base line at `y`. `class` may be `muted`, `strong`, or a colour.
    pub fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.push(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    /// Writes text that rises to the right.
    pub fn text_upwards(&mut self, [x, y]: [f64; 2], class: &str, text: &str) {
        let text = escaped(text);
        self.push(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" transform="rotate(-60 {x:.1} {y:.1})" class="{class}">{text}</text>"#
        ));
    }

    /// Draws a straight line.
    pub fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], class: &str) {
        self.push(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        ));
    }

    /// Draws a box; `says` is shown to whoever points at it.
    pub fn bar(&mut self, [x, y]: [f64; 2], [w, h]: [f64; 2], class: &str, says: &str) {
        let (w, says) = (w.max(0.0), title(says));
        self.push(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" rx="2" class="{class}">{says}</rect>"#
        ));
    }

    /// Draws a field of a table, in a shade from 0 to 1.
    pub fn field(
        &mut self,
        [x, y]: [f64; 2],
        [w, h]: [f64; 2],
        class: &str,
        shade: f64,
        says: &str,
    ) {
        let says = title(says);
        self.push(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" rx="3" class="{class}" opacity="{shade:.2}">{says}</rect>"#
        ));
    }

    /// Draws a dot; `says` is shown to whoever points at it.
    pub fn dot(&mut self, [x, y]: [f64; 2], class: &str, says: &str) {
        let says = title(says);
        self.push(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" class="{class}">{says}</circle>"#
        ));
    }

    /// Draws a line through points, or with `closed` an area.
    pub fn path(&mut self, points: &[[f64; 2]], closed: bool, class: &str) {
        let mut path = String::new();
        for (index, [x, y]) in points.iter().enumerate() {
            let step = if index == 0 { 'M' } else { 'L' };
            write!(path, "{step}{x:.1} {y:.1}").expect("a String takes any text");
        }
        if closed {
            path.push('Z');
        }
        self.push(format_args!(r#"<path d="{path}" class="{class}"/>"#));
    }

    /// The drawing as a part of a page that has the styles.
    pub fn inline(&self, label: &str) -> String {
        let (width, height, label) = (self.width, self.height, escaped(label));
        format!(
            "<svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" role=\"img\" \
             aria-label=\"{label}\">\n{}</svg>\n",
            self.body
        )
    }

    /// The drawing as a file, with a title, on a ground of its own.
    pub fn file(&self, label: &str) -> String {
        let (width, height, label) = (self.width + 40.0, self.height + 64.0, escaped(label));
        let (inner_width, inner_height) = (self.width, self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{label}\">\n\
             <style>{COLOURS}{SHAPES}</style>\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" class=\"ground\"/>\n\
             <text x=\"20\" y=\"32\" class=\"title\">{label}</text>\n\
             <svg x=\"20\" y=\"48\" width=\"{inner_width:.0}\" height=\"{inner_height:.0}\">\n{}</svg>\n\
             </svg>\n",
            self.body
        )
    }

    fn push(&mut self, shape: impl Display) {
        writeln!(self.body, "{shape}").expect("a String takes any text");
    }
}

/// How wide a text will be at most: fonts differ, and what is cut off cannot be read.
pub fn width_of(text: &str) -> f64 {
    let width = |it| match it {
        'i' | 'l' | '.' | ',' | ':' | '|' | '\'' | ' ' => 4.6,
        'm' | 'M' | 'w' | 'W' | '×' | '≈' | 'µ' => 11.0,
        'A'..='Z' => 9.0,
        _ => 8.2,
    };
    text.chars().map(width).sum()
}

/// Text that may stand in XML and HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn title(says: &str) -> String {
    if says.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(says)) }
}

/// The colours, for a light ground and a dark one. Those of the series are told apart by eyes that do not tell
/// red from green, too.
pub const COLOURS: &str = "\
:root{--ground:#ffffff;--text:#1b1f24;--muted:#5c6670;--grid:#e3e7eb;--card:#f6f8fa;\
--c0:#1f6fd1;--c1:#12875a;--c2:#d4601c;--c3:#8b4fc6;--c4:#a87b00;--c5:#0b8793;--c6:#c02d6b;--c7:#6a737d;\
--good:#12754a;--bad:#b3261e;--half:#8a6100}\
@media(prefers-color-scheme:dark){:root{--ground:#14181d;--text:#e6eaee;--muted:#9aa5b1;--grid:#2d343c;--card:#1c2229;\
--c0:#6cb0ff;--c1:#4ec795;--c2:#ff9a5c;--c3:#c79bff;--c4:#e0b84a;--c5:#54c8d4;--c6:#ff85b3;--c7:#a5afb9;\
--good:#5bd49b;--bad:#ff8a80;--half:#e6b84f}}";

/// The styles of the shapes.
pub const SHAPES: &str = "\
svg{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
svg text{fill:var(--text)}svg .muted{fill:var(--muted);font-size:12px}svg .strong{font-weight:600}\
svg .small{font-size:10.5px}\
svg .less{fill:var(--good)}svg .more{fill:var(--c2)}svg .blank{fill:var(--grid);fill-opacity:.45}\
svg .title{font-size:17px;font-weight:600}svg .ground{fill:var(--ground)}\
svg .grid{stroke:var(--grid);stroke-width:1}svg .axis{stroke:var(--muted);stroke-width:1}\
svg .whisker{stroke:var(--text);stroke-width:1.5;opacity:.65}\
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}\
.f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}.f7{fill:var(--c7)}\
svg .l0{stroke:var(--c0)}svg .l1{stroke:var(--c1)}svg .l2{stroke:var(--c2)}svg .l3{stroke:var(--c3)}\
svg .l4{stroke:var(--c4)}svg .l5{stroke:var(--c5)}svg .l6{stroke:var(--c6)}svg .l7{stroke:var(--c7)}\
svg text.f0{fill:var(--c0)}svg text.f1{fill:var(--c1)}svg text.f2{fill:var(--c2)}svg text.f3{fill:var(--c3)}\
svg text.f4{fill:var(--c4)}svg text.f5{fill:var(--c5)}svg text.f6{fill:var(--c6)}svg text.f7{fill:var(--c7)}\
svg .curve{fill:none;stroke-width:2.25;stroke-linejoin:round}svg .band{opacity:.16;stroke:none}\
svg .noisy{opacity:.45}svg .hollow{fill:var(--ground);stroke-width:2}";
