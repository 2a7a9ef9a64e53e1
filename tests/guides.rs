//! The guides for those who come from Python and from tokio name everything, truly, and the search of the
//! documentation finds it.
//!
//! The tables of `docs/from-*.md` have their names in the first column, under a heading that begins with the
//! module in code quotes, and what takes their places in the second. The lists in `tests/guides/` are what they
//! must cover; `python_names.py` and the head of `tokio_names.txt` say how those are made.
//!
//! To try the search itself, document with a rustdoc other than 1.95's, which forgets the aliases of what is passed on
//! by `pub use` from a private module.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const GUIDES: [Guide; 2] = [
    Guide {
        page: "docs/from-python.md",
        names: "tests/guides/python_names.txt",
        module: "from_python",
        separator: ".",
    },
    Guide {
        page: "docs/from-tokio.md",
        names: "tests/guides/tokio_names.txt",
        module: "from_tokio",
        separator: "::",
    },
];

struct Guide {
    page: &'static str,
    names: &'static str,
    module: &'static str,
    /// What stands between a module and its items.
    separator: &'static str,
}

/// A line of a table.
struct Row {
    line: usize,
    module: String,
    /// As one writes them inside the module: `Queue`, `Queue.get`.
    names: Vec<String>,
    /// The paths of items, as they are linked.
    links: Vec<String>,
    /// What is code in the second column, but no link.
    plain: Vec<String>,
}

#[test]
fn the_tables_have_each_name_and_no_other() {
    for guide in &GUIDES {
        let expected: BTreeSet<String> = text(guide.names)
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        assert!(expected.len() > 100, "{} is nearly empty", guide.names);
        let found: BTreeSet<String> = rows(guide)
            .iter()
            .flat_map(|row| {
                row.names.iter().map(|name| format!("{}{}{name}", row.module, guide.separator))
            })
            .collect();
        let missing: Vec<_> = expected.difference(&found).collect();
        assert!(missing.is_empty(), "{} does not have {missing:#?}", guide.page);
        let unknown: Vec<_> = found.difference(&expected).collect();
        assert!(unknown.is_empty(), "{} has what does not exist: {unknown:#?}", guide.page);
    }
}

#[test]
fn the_search_for_each_name_leads_to_an_item_of_its_row_or_to_the_guide() {
    let source = Source::read();
    for guide in &GUIDES {
        let mut lost = Vec::new();
        for row in rows(guide) {
            for name in &row.names {
                let last = last_part(name);
                let full = format!("{}.{name}", row.module);
                // A path with `::` is looked for among the items only.
                let spellings = [last, name, full.as_str()];
                let spellings = spellings.iter().filter(|spelling| !spelling.contains("::"));
                let found =
                    spellings.filter_map(|spelling| source.aliases.get(*spelling)).any(|items| {
                        items.contains(guide.module)
                            || row.links.iter().any(|link| items.contains(last_part(link)))
                    });
                // The search does not tell large letters from small ones.
                let is_same = |link: &String| last_part(link).eq_ignore_ascii_case(last);
                let same = row.links.iter().any(is_same);
                if !found && !same {
                    lost.push(format!(
                        "{}:{}: {name} -> {}",
                        guide.page,
                        row.line,
                        row.links.join(" ")
                    ));
                }
            }
        }
        assert!(
            lost.is_empty(),
            "no item that the row names has a `doc(alias)` for these, nor has guide::{}:\n{}",
            guide.module,
            lost.join("\n")
        );
    }
}

#[test]
fn what_the_tables_say_is_here_is_here_and_is_a_link() {
    let source = Source::read();
    for guide in &GUIDES {
        let mut wrong = Vec::new();
        let rows = rows(guide);
        for row in &rows {
            let place = format!("{}:{}", guide.page, row.line);
            for link in row.links.iter().filter(|link| !link.starts_with("std")) {
                if !source.defines(link) {
                    wrong.push(format!("{place}: there is no {link}"));
                }
            }
            for plain in &row.plain {
                if source.modules.contains(plain.split("::").next().unwrap_or_default()) {
                    wrong.push(format!("{place}: {plain} is to be a link"));
                }
            }
        }
        assert!(rows.iter().any(|row| !row.links.is_empty()), "{} has no links", guide.page);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn the_readers_of_tables_and_aliases_find_what_is_there() {
    let page = "## `a.b`: words\n| Python | here | what |\n|---|---|---|\n\
                | `C`, `.d`, `e` | [`x::Y`], `z` and [this](x::W) | `not` |\n\n| other | |\n| `f` | |\n";
    let rows = read_rows(page, ".");
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].module.as_str(), rows[0].line), ("a.b", 4));
    assert_eq!(rows[0].names, ["C", "C.d", "e"]);
    assert_eq!(rows[0].links, ["x::Y", "x::W"]);
    assert_eq!(rows[0].plain, ["z"]);

    let mut aliases = BTreeMap::new();
    let code = "#[doc(alias = \"one\")]\n#[inline]\n/// Text.\npub async fn two() {}\n\
                #![doc(alias(\n    \"three\", \"four\",\n))]\n";
    read_aliases(code, "file", &mut aliases);
    assert!(aliases["one"].contains("two"));
    assert!(aliases["three"].contains("file") && aliases["four"].contains("file"));
    assert_eq!(item_of("pub(crate) const unsafe fn six<T>("), Some("six"));
    assert_eq!(item_of("    Seven(u8),"), Some("Seven"));
}

// Pages.

fn rows(guide: &Guide) -> Vec<Row> {
    let rows = read_rows(&text(guide.page), guide.separator);
    assert!(!rows.is_empty(), "{} has no tables", guide.page);
    rows
}

fn read_rows(page: &str, separator: &str) -> Vec<Row> {
    let (mut rows, mut module, mut in_table) = (Vec::new(), String::new(), false);
    for (index, line) in page.lines().enumerate() {
        if let Some(heading) = line.strip_prefix("##") {
            if let Some(code) = heading.trim_start_matches('#').trim().strip_prefix('`') {
                module = code.split('`').next().unwrap_or_default().to_owned();
            }
        } else if line.starts_with("| Python |") || line.starts_with("| tokio |") {
            in_table = true;
        } else if !line.starts_with('|') {
            in_table = false;
        } else if in_table && !line.starts_with("|-") {
            let cells: Vec<_> = line.trim_matches('|').split('|').collect();
            assert_eq!(cells.len(), 3, "line {}: {line}", index + 1);
            let (links, plain) = read_links(cells[1]);
            let names = read_names(cells[0], separator);
            rows.push(Row { line: index + 1, module: module.clone(), names, links, plain });
        }
    }
    rows
}

/// The names in code quotes; `.name` is a member of the last one that was none.
fn read_names(cell: &str, separator: &str) -> Vec<String> {
    let mut class = "";
    let mut names = Vec::new();
    for name in code_in(cell) {
        if name.starts_with(separator) {
            names.push(format!("{class}{name}"));
        } else {
            class = name.split(separator).next().unwrap_or_default();
            names.push(name.to_owned());
        }
    }
    names
}

/// The linked paths of a cell, and what else is code in it.
fn read_links(cell: &str) -> (Vec<String>, Vec<String>) {
    let (mut links, mut plain) = (Vec::new(), Vec::new());
    let mut rest = cell;
    while let Some(start) = rest.find(['[', '`']) {
        let opened = &rest[start + 1..];
        let end = if rest[start..].starts_with('[') { ']' } else { '`' };
        let Some(length) = opened.find(end) else { break };
        let inside = opened[..length].trim_matches('`');
        let after = &opened[length + 1..];
        if end == '`' {
            plain.push(inside.to_owned());
        } else if let Some(target) = after.strip_prefix('(').and_then(|rest| rest.split(')').next())
        {
            if !target.starts_with('#') {
                links.push(target.to_owned());
            }
        } else {
            links.push(inside.trim_end_matches('!').to_owned());
        }
        rest = after;
    }
    (links, plain)
}

fn code_in(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn last_part(name: &str) -> &str {
    name.rsplit(['.', ':']).next().unwrap_or(name)
}

// Source code.

#[derive(Default)]
struct Source {
    /// Which items have an alias.
    aliases: BTreeMap<String, BTreeSet<String>>,
    /// The names that are defined below each module of the crate's root, and in the root itself.
    names: BTreeMap<String, BTreeSet<String>>,
    modules: BTreeSet<String>,
}

impl Source {
    fn read() -> Self {
        let mut source = Self::default();
        let root = path("src");
        for file in rust_files(&root) {
            let stem = file.file_stem().unwrap().to_str().unwrap();
            let first = file.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let code = fs::read_to_string(&file).unwrap();
            read_aliases(&code, stem, &mut source.aliases);
            let names = source.names.entry(module.clone()).or_default();
            names.extend(words_of_definitions(&code));
            source.modules.insert(module);
        }
        // A macro of the crate is at its root, wherever it is written.
        let everything: Vec<_> = source.names.values().flatten().cloned().collect();
        source.names.entry(String::new()).or_default().extend(everything);
        source
    }

    /// Whether the item's module defines such a name, or anyone does if it belongs to a type, which may be passed on;
    /// rustdoc looks whether it is at that very path.
    fn defines(&self, path: &str) -> bool {
        let (parents, last) = path.rsplit_once("::").unwrap_or(("", path));
        let of_type = last_part(parents).starts_with(char::is_uppercase);
        let module = parents.split("::").next().filter(|_| !of_type).unwrap_or_default();
        let known = self.names.get(module).is_some_and(|names| names.contains(last));
        known || (parents.is_empty() && self.modules.contains(last))
    }
}

/// The names that are defined, declared or passed on in a file: whatever may follow `fn`, `struct` and the like, stands
/// in a `pub use`, or has an alias.
fn words_of_definitions(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut aliases = BTreeMap::new();
    read_aliases(code, "", &mut aliases);
    names.extend(aliases.into_values().flatten());
    let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let words: Vec<_> =
        code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    const BEFORE_NAMES: &[&str] =
        &["fn", "struct", "enum", "trait", "mod", "const", "static", "type", "macro_rules"];
    for pair in words.windows(2) {
        if BEFORE_NAMES.contains(&pair[0]) {
            names.insert(pair[1].to_owned());
        }
    }
    for import in code.split("pub use ").skip(1) {
        let import = import.split(';').next().unwrap_or_default();
        names.extend(import.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
    }
    // The methods that macros make, each a word and its parameters.
    for line in code.lines() {
        names.extend(item_of(line).filter(|_| line.contains('(')).map(str::to_owned));
    }
    names
}

/// Notes for each `doc(alias)` the item that has it; `file` is what an inner attribute belongs to.
fn read_aliases(code: &str, file: &str, aliases: &mut BTreeMap<String, BTreeSet<String>>) {
    let mut waiting: Vec<String> = Vec::new();
    let mut rest = code.lines().map(str::trim);
    while let Some(line) = rest.next() {
        let inner = line.starts_with("#![doc(alias");
        if inner || line.starts_with("#[doc(alias") {
            let mut attribute = line.to_owned();
            while !attribute.ends_with(")]") {
                attribute.push_str(rest.next().expect("an attribute that ends"));
            }
            let names = attribute.split('"').skip(1).step_by(2).map(str::to_owned);
            if inner {
                for name in names {
                    aliases.entry(name).or_default().insert(file.to_owned());
                }
            } else {
                waiting.extend(names);
            }
        } else if !waiting.is_empty() && !line.starts_with("//") && !line.starts_with("#[") {
            let item = item_of(line).unwrap_or_else(|| panic!("an alias before `{line}`"));
            for name in waiting.drain(..) {
                aliases.entry(name).or_default().insert(item.to_owned());
            }
        }
    }
}

/// The name that a line of code defines.
fn item_of(line: &str) -> Option<&str> {
    const NOT_NAMES: &[&str] = &[
        "pub",
        "crate",
        "super",
        "in",
        "const",
        "async",
        "unsafe",
        "extern",
        "fn",
        "struct",
        "enum",
        "trait",
        "mod",
        "type",
        "static",
        "macro_rules",
    ];
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .find(|word| !word.is_empty() && !NOT_NAMES.contains(word))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
