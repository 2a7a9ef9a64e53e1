//! The example programs about processes and threads do what their first lines promise.

mod programs;

use programs::{Ended, Program};

#[test]
fn bad_arguments_give_a_usage_line_and_status_2() {
    let cases: &[(&str, &[&str])] = &[("subprocess", &["sort"]), ("thread_pool", &["5"])];
    for (name, arguments) in cases {
        let ended = Program::run(name, arguments);
        assert_eq!(ended.status.code(), Some(2), "{name} {arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("usage: {name}")), "{ended:?}");
    }
}

/// What a line says behind its label.
fn said<'a>(ended: &'a Ended, label: &str) -> &'a str {
    let line = ended.stdout.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label:?} in {ended:?}")).trim()
}

#[test]
fn subprocess_talks_to_one_waits_for_ten_and_has_no_more_patience_with_another() {
    let ended = Program::run("subprocess", &[]);
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stdout.starts_with("sorted:\napple\nfig\npear\n"), "{ended:?}");
    let together: f64 = said(&ended, "ten at once:").strip_suffix(" s").unwrap().parse().unwrap();
    assert!(together >= 0.5, "{ended:?}");
    let last = said(&ended, "too long:");
    assert!(last.starts_with("signal: 9"), "{ended:?}");
    assert!(last.ends_with(r#"said "patience\n""#), "{ended:?}");
}

#[test]
fn thread_pool_notes_the_size_of_each_of_five_pages_that_three_threads_fetch() {
    let ended = Program::run("thread_pool", &[]);
    assert!(ended.status.success(), "{ended:?}");
    let (work, notes) = ended.stdout.split_once("in ").unwrap();
    let (time, notes) = notes.split_once(" s:\n").unwrap();
    // Three at a time, two times 50 ms.
    assert!(time.parse::<f64>().unwrap() >= 0.1, "{ended:?}");
    for name in ["baidu", "python", "openstack", "github", "sina"] {
        let does = |verb: &str| {
            let end = format!("/{name}");
            let line = work.lines().find(|line| line.contains(verb) && line.ends_with(&end));
            line.unwrap_or_else(|| panic!("nobody does {verb} {name}: {ended:?}")).to_owned()
        };
        let thread = |line: &str| line.split_once('>').unwrap().0.to_owned();
        let (get, parse) = (does("> get http://"), does("> parse http://"));
        assert_eq!(thread(&get), thread(&parse));
        assert!(["<pages-0", "<pages-1", "<pages-2"].contains(&&*thread(&get)), "{ended:?}");
        let note = format!("/{name}> size:[{}]", 100 * name.len());
        assert!(notes.lines().any(|line| line.ends_with(&note)), "{note}: {ended:?}");
    }
}
