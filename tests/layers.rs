//! Imports go only downward: a module of `src/` names modules of the layers below its own, and
//! no others. `ARCHITECTURE.md` says why.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The modules from the bottom up. What stands in one line may not name each other; a later line may
/// name all earlier ones.
const LAYERS: &[&[&str]] = &[
    &["executor", "reactor", "timers"],
    &["wait_queue", "wake_set"],
    &["event_loop"],
    &["blocking"],
    &["thread_pool"],
    &["time"],
    &["task"],
    &["sync"],
    &["queue"],
    &["io"],
    &["net"],
    &["signal"],
    &["process"],
    &["green"],
    &["launcher"],
    &["guide"],
];

/// Macros stand at the root of the crate, wherever they are written.
const MACROS: &[&str] = &["join", "try_join", "select", "__select", "task_local", "context_var"];

#[test]
fn modules_import_only_from_below() {
    let mut wrong = Vec::new();
    for file in rust_files(&source("")) {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let own = rank(&module).unwrap_or_else(|| panic!("{module} stands in no layer"));
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            if import == module || MACROS.contains(&import.as_str()) {
                continue;
            }
            if rank(&import).is_none_or(|other| other >= own) {
                wrong.push(format!("{} imports crate::{import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not go down:\n{}", wrong.join("\n"));
}

#[test]
fn the_bottom_layer_knows_only_wakers() {
    for part in LAYERS[0] {
        let file = source(&format!("{part}.rs"));
        let files = if file.exists() { vec![file] } else { rust_files(&source(part)) };
        assert!(!files.is_empty(), "{part} has no files");
        for file in files {
            let imports = imports(&fs::read_to_string(&file).unwrap());
            assert!(imports.is_empty(), "{} imports {imports:?}", file.display());
        }
    }
}

#[test]
fn the_reader_of_imports_finds_them_all() {
    let text = "use crate::{\n  a,\n b::{c, d},\n e as f,\n};\nuse crate::g::h;\n\
                let x = crate::j(); // a comment\n// crate::k\n";
    let found: Vec<_> = imports(text).into_iter().collect();
    assert_eq!(found, ["a", "b", "e", "g", "j"]);
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name)
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
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

/// The first part of a file's path below `src`.
fn module_of(file: &Path) -> String {
    let below = file.strip_prefix(source("")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that are named as `crate::module`, also in `use crate::{a, b::c}`.
fn imports(text: &str) -> BTreeSet<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: String = text.lines().filter(is_code).map(|line| format!("{line}\n")).collect();
    let mut imports = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            Some(group) => imports.extend(group_members(group)),
            None => imports.extend(identifier(rest)),
        }
    }
    imports
}

/// The first identifiers of the members of a `{...}` whose opening brace was just passed.
fn group_members(group: &str) -> Vec<String> {
    let mut members = Vec::new();
    let (mut depth, mut member_begins) = (0, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => member_begins = true,
            _ if depth == 0 && member_begins && !character.is_whitespace() => {
                members.extend(identifier(&group[at..]));
                member_begins = false;
            }
            _ => {}
        }
    }
    members
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}
