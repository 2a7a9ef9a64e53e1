//! The example programs about processes and threads do what their first lines promise.

mod programs;

use programs::{Ended, Program};

#[test]
fn bad_arguments_give_a_usage_line_and_status_2() {
    let cases: &[(&str, &[&str])] = &[("subprocess", &["sort"])];
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
