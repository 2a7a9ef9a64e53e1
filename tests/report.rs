//! The example `coroutine_vs_thread` measures all it promises, writes what its schema says, and draws
//! every picture from figures that are there.

mod programs;
mod schema;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use programs::Program;
use serde_json::{Value, json};

/// A quick run takes a minute in a debug build, and longer where others want the processors.
const PATIENCE: Duration = Duration::from_secs(300);

const MODELS: [&str; 4] = ["async tasks", "green threads", "OS threads", "processes"];

#[test]
fn a_tiny_run_measures_everything_and_draws_it() {
    measures_everything_and_draws_it("--tiny");
}

/// What users get, who have a release build, in which it takes half as long.
#[test]
fn a_quick_run_measures_everything_and_draws_it() {
    measures_everything_and_draws_it("--quick");
}

fn measures_everything_and_draws_it(scale: &str) {
    let out = folder(scale.trim_start_matches('-'));
    let file = out.join("copy.json");
    let arguments = [scale, "--out", text(&out), "--json", text(&file)];
    let ended = Program::run_within(PATIENCE, "coroutine_vs_thread", &arguments);
    assert!(ended.status.success(), "{ended:?}");
    for line in ended.stdout.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }

    let json = fs::read_to_string(&file).unwrap();
    assert_eq!(json, fs::read_to_string(out.join("report.json")).unwrap());
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(schema::errors(&report_schema(), &report), Vec::<String>::new());

    let ids: Vec<_> = all(&report["sections"]).iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["cost", "memory", "sleeps", "counting", "cpu", "echo", "blocking"]);
    let pictures: Vec<&Value> =
        all(&report["sections"]).iter().flat_map(|it| all(&it["pictures"])).collect();
    assert_eq!(pictures.len(), 16);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    for picture in pictures {
        has_its_data(picture);
        is_drawn(picture, &page, &out);
    }
    stands_alone(&page);
}

/// Asserts that a picture is there, as a file and in the page, with all of its figures.
fn is_drawn(picture: &Value, page: &str, out: &Path) {
    let id = picture["id"].as_str().unwrap();
    let svg = fs::read_to_string(out.join(format!("{id}.svg"))).unwrap();
    is_well_formed(&svg);
    assert!(page.contains(&format!("<figure id=\"picture-{id}\">")), "{id}");
    // A mark for each figure that is there.
    let figures = points(picture).filter(|point| !point["y"].is_null()).count();
    let shapes = ["<circle", "<rect"].map(|it| svg.matches(it).count()).iter().sum::<usize>();
    let tracks = picture["kind"] == "tracks";
    assert!(tracks || shapes > figures, "{id}: {shapes} shapes for {figures} figures");
}

/// Asserts that nothing is fetched, and nothing runs.
fn stands_alone(page: &str) {
    for outside in ["http://", "https://", "url(", "@import", "<link", "<script src", "onload"] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
    assert!(page.contains("prefers-color-scheme:dark"));
}

#[test]
fn what_the_counting_workers_leave_is_what_the_report_says() {
    let out = folder("counting");
    let ended =
        Program::run("coroutine_vs_thread", &["--tiny", "--only=counting", "--out", text(&out)]);
    assert!(ended.status.success(), "{ended:?}");
    let report: Value =
        serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let left = |series: &str, way: f64| {
        let samples = all(&report["samples"]);
        let sample = samples.iter().find(|it| {
            it["metric"] == "left" && it["series"] == series && it["x"].as_f64() == Some(way)
        });
        sample.and_then(|it| it["value"].as_f64())
    };
    // One loop does not run the second before the first sleeps, so all have read the same.
    assert_eq!(left("async tasks", 0.0), Some(9.0));
    assert_eq!(left("green threads", 0.0), Some(9.0));
    for series in ["async tasks", "green threads", "OS threads"] {
        assert_eq!(left(series, 1.0), Some(0.0), "{series} with a lock");
        assert_eq!(left(series, 2.0), Some(0.0), "{series} joined at once");
    }
    // Each process takes from a copy.
    assert_eq!(left("processes", 0.0), Some(10.0));
    assert_eq!(left("processes", 1.0), None);
}

#[test]
fn a_report_is_drawn_again_from_its_data() {
    let (first, again) = (folder("first"), folder("again"));
    let only = ["--tiny", "--only=sleeps", "--out", text(&first)];
    assert!(Program::run("coroutine_vs_thread", &only).status.success());
    let file = first.join("report.json");
    let draw = ["--draw", text(&file), "--out", text(&again)];
    let ended = Program::run("coroutine_vs_thread", &draw);
    assert!(ended.status.success(), "{ended:?}");
    for name in ["report.html", "report.json", "sleeps.svg", "sleeps-all.svg"] {
        let read = |folder: &Path| fs::read_to_string(folder.join(name)).unwrap();
        assert!(read(&first) == read(&again), "{name} differs");
    }
}

#[test]
fn pictures_and_tables_are_put_into_a_document_again_and_again() {
    let out = folder("document");
    let document = out.join("document.md");
    let frame = |text: &str| {
        let title = "Coroutines against threads";
        format!("Before.\n<!-- begin: {title} -->\n{text}\n<!-- end: {title} -->\nAfter.\n")
    };
    fs::write(&document, frame("old figures")).unwrap();
    let pictures = out.join("pictures");
    let only = ["--tiny", "--only=sleeps", "--out", text(&pictures), "--markdown", text(&document)];
    assert!(Program::run("coroutine_vs_thread", &only).status.success());
    let once = fs::read_to_string(&document).unwrap();
    assert!(!once.contains("old figures") && once.contains("](document/sleeps.svg)"), "{once}");
    let picture = |folder: &str| fs::read_to_string(out.join(folder).join("sleeps.svg")).unwrap();
    assert!(picture("document") == picture("pictures"));
    assert!(once.starts_with("Before.") && once.ends_with("After.\n"), "{once}");
    assert!(once.contains("| async tasks | "), "{once}");
    let json = pictures.join("report.json");
    let draw = ["--draw", text(&json), "--out", text(&pictures), "--markdown", text(&document)];
    assert!(Program::run("coroutine_vs_thread", &draw).status.success());
    assert_eq!(once, fs::read_to_string(&document).unwrap());

    fs::write(&document, "no marks").unwrap();
    let ended = Program::run("coroutine_vs_thread", &draw);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(fs::read_to_string(&document).unwrap(), "no marks");
}

#[test]
fn a_comparison_of_runtimes_is_drawn_and_put_into_a_document_section_by_section() {
    let out = folder("runtimes");
    let point = |group: &str, y: Option<f64>| {
        json!({
            "group": group, "x": null, "y": y, "low": y, "high": y, "count": 3, "noisy": false,
            "note": null,
        })
    };
    let series = |name: &str, points: Value| json!({ "name": name, "colour": 0, "points": points });
    let picture = |id: &str, kind: &str, unit: &str, series: Value| {
        json!({
            "id": id, "title": format!("Title of {id}"), "says": "It says.", "kind": kind,
            "measure": "times", "unit": unit, "scale": "log", "better": "neither", "x": null,
            "series": series,
        })
    };
    let grid = json!([
        series("greenloop", json!([point("50x64", Some(1.0)), point("1000x64", Some(1.0))])),
        series("a peer", json!([point("50x64", Some(0.8)), point("1000x64", None)])),
    ]);
    let bars = json!([series("a peer", json!([point("time", Some(4.0))]))]);
    let fact = json!({ "name": "processor", "value": "a fast one" });
    let report = json!({
        "schema": "greenloop-report/1", "title": "Runtimes", "about": "", "started": "now",
        "seconds": 1.0, "machine": [fact], "versions": [fact], "parameters": [fact],
        "warnings": [],
        "sections": [{
            "id": "echo", "title": "Echo", "text": "Text.", "findings": [], "limits": [],
            "pictures": [picture("all", "grid", "x", grid), picture("one", "bars", "us", bars)],
        }],
        "samples": [],
    });
    assert_eq!(schema::errors(&report_schema(), &report), Vec::<String>::new());
    let (file, document) = (out.join("runtimes.json"), out.join("document.md"));
    fs::write(&file, report.to_string()).unwrap();
    fs::write(&document, "<!-- begin: Runtimes: echo -->\n<!-- end: Runtimes: echo -->\n").unwrap();
    let draw = ["--draw", text(&file), "--out", text(&out), "--markdown", text(&document)];
    let ended = Program::run("coroutine_vs_thread", &draw);
    assert!(ended.status.success(), "{ended:?}");

    let page = fs::read_to_string(out.join("report.html")).unwrap();
    for picture in all(&report["sections"][0]["pictures"]) {
        is_drawn(picture, &page, &out);
    }
    stands_alone(&page);
    let svg = fs::read_to_string(out.join("all.svg")).unwrap();
    for words in ["50x64", "1000x64", "0.80", "class=\"less\""] {
        assert!(svg.contains(words), "no {words} in {svg}");
    }
    let document = fs::read_to_string(&document).unwrap();
    // The grid has a picture and a table; what it compares, one table for all of it.
    assert!(document.contains("![Title of all](document/all.svg)"), "{document}");
    assert!(document.contains("|  | Title of one |"), "{document}");
    assert!(out.join("document/all.svg").exists());
    assert!(!document.contains("one.svg") && !out.join("document/one.svg").exists(), "{document}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_measured() {
    let out = folder("refused");
    let file = out.join("other.json");
    fs::write(&file, "{\"schema\": \"other\"}").unwrap();
    let document = out.join("no-marks.md");
    fs::write(&document, "no marks").unwrap();
    let here = text(&out);
    for (arguments, says) in [
        (["--draw", text(&file), "--out", here], "other.json: "),
        (["--draw", "/nowhere", "--out", here], "/nowhere: "),
        (["--only", "speed", "--out", here], "`speed`; there are cost, memory, "),
        (["--json", "/nowhere/it.json", "--out", here], "/nowhere/it.json: "),
        (["--markdown", text(&document), "--out", here], "no-marks.md: no line begins with "),
        (["--only", "sleeps", "--out", text(&file)], "other.json: "),
    ] {
        let ended = Program::run("coroutine_vs_thread", &arguments);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.starts_with("coroutine_vs_thread: "), "{ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
        assert!(!out.join("report.json").exists(), "{arguments:?}");
    }
    for arguments in [["--fast"], ["--only"], ["--json"]] {
        assert_eq!(Program::run("coroutine_vs_thread", &arguments).status.code(), Some(2));
    }
}

#[test]
fn the_handlers_of_tasks_and_of_threads_differ_only_where_the_models_do() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/coroutine_vs_thread/handler.rs");
    let source = fs::read_to_string(file).unwrap();
    let body = |name: &str| {
        let start = source.find(&format!("fn {name}(")).expect("there is such a function");
        let code = source[start..].split_once("{\n").unwrap().1.split_once("\n}\n").unwrap().0;
        code.replace(".await", "").replace("in_task", "on_thread")
    };
    assert_eq!(body("echo"), body("echo_async"));
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let schema = report_schema();
    let point = json!({
        "group": null, "x": 1, "y": null, "low": null, "high": null, "count": 0, "noisy": false,
        "note": null,
    });
    let check = |point: &Value| schema::errors_of(&schema, &schema["$defs"]["point"], point);
    assert_eq!(check(&point), Vec::<String>::new());
    let wrong = |key: &str, value: Value| {
        let mut point = point.clone();
        point[key] = value;
        !check(&point).is_empty()
    };
    assert!(wrong("y", json!("3")), "another type");
    assert!(wrong("count", json!(-1)), "too small");
    assert!(wrong("count", json!(0.5)), "no whole number");
    assert!(wrong("colour", json!(1)), "a key too many");
    let mut missing = point.clone();
    missing.as_object_mut().unwrap().remove("noisy");
    assert!(!check(&missing).is_empty(), "a key too few");
    let report = schema::errors(&schema, &json!({ "schema": "greenloop-report/2" }));
    assert!(report.iter().any(|it| it.contains("greenloop-report/1")), "{report:?}");
    let finding = json!({ "claim": "a", "holds": "maybe", "says": "b" });
    assert!(!schema::errors_of(&schema, &schema["$defs"]["finding"], &finding).is_empty());
}

/// Asserts that a picture has the figures that it is about.
fn has_its_data(picture: &Value) {
    let (id, kind) = (picture["id"].as_str().unwrap(), picture["kind"].as_str().unwrap());
    let there = |series: &Value| all(&series["points"]).iter().any(|it| !it["y"].is_null());
    let names: Vec<_> = all(&picture["series"])
        .iter()
        .filter(|series| there(series))
        .map(|series| series["name"].as_str().unwrap())
        .collect();
    match id {
        // Two processes do not take turns at one computation.
        "cpu-turns" => assert_eq!(names, MODELS[..3], "{id}"),
        "sleeps" => assert_eq!(names, ["one after the other", "side by side"]),
        "blocking" => assert_eq!(names.len(), 6, "{names:?}"),
        _ => assert_eq!(names, MODELS, "{id}"),
    }
    for point in points(picture).filter(|point| !point["y"].is_null()) {
        let (y, low, high) = (&point["y"], &point["low"], &point["high"]);
        if let (Some(y), Some(low), Some(high)) = (y.as_f64(), low.as_f64(), high.as_f64()) {
            assert!(low <= y && y <= high, "{id}: {point}");
        }
        match kind {
            "bars" => assert!(point["group"].is_string(), "{id}: {point}"),
            "spans" => assert!(point["x"].as_f64() < y.as_f64(), "{id}: {point}"),
            _ => assert!(point["x"].is_number(), "{id}: {point}"),
        }
    }
    let says = picture["says"].as_str().unwrap();
    assert!(says.ends_with('.') && !says.contains('?'), "{id}: {says}");
}

fn points(picture: &Value) -> impl Iterator<Item = &Value> {
    all(&picture["series"]).iter().flat_map(|series| all(&series["points"]))
}

/// Asserts that every element of an SVG ends, in the right order, and that all numbers are some.
fn is_well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("each tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{svg}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
    }
    assert_eq!(open, Vec::<&str>::new());
}

fn all(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no array: {value}"))
}

fn report_schema() -> Value {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/coroutine_vs_thread/schema.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// A folder for the output of one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report").join(name);
    // What an earlier run has left must not be taken for this one's.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
