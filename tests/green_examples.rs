//! The example programs about green threads do what their first lines promise.

mod programs;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use programs::{ANY_PORT, Program, echo};

#[test]
fn bad_arguments_give_a_usage_line_and_status_2() {
    let cases: &[(&str, &[&str])] = &[
        ("echo_green", &["--lower"]),
        ("echo_green", &[ANY_PORT, ANY_PORT]),
        ("green_clients", &["--clients"]),
        ("green_clients", &["--clients", "0"]),
        ("green_clients", &["--seconds", "many"]),
        ("green_clients", &[ANY_PORT, ANY_PORT]),
        ("eat_play", &["egon"]),
        ("generators", &["10"]),
        ("pool_crawl", &["5"]),
        ("dining", &["noodles"]),
        ("mixed", &["--help"]),
    ];
    for (name, arguments) in cases {
        let ended = Program::run(name, arguments);
        assert_eq!(ended.status.code(), Some(2), "{name} {arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("usage: {name}")), "{ended:?}");
    }
}

#[test]
fn echo_green_sends_back_every_byte_of_every_client() {
    echo::sends_back_every_byte_of_every_client("echo_green");
}

#[test]
fn echo_green_answers_in_capitals_when_asked_to() {
    echo::answers_in_capitals_when_asked_to("echo_green");
}

#[test]
fn echo_green_survives_clients_that_break_off() {
    echo::survives_clients_that_break_off("echo_green");
}

#[test]
fn echo_green_ends_with_status_0_at_ctrl_c_while_clients_are_there() {
    echo::ends_with_status_0_at_ctrl_c_while_clients_are_there("echo_green");
}

#[test]
fn echo_green_and_echo_server_differ_only_where_the_models_do() {
    let source = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let (server, green) = (source("echo_server.rs"), source("echo_green.rs"));
    let (only_server, only_green) = difference(&server, &green);
    assert!(only_server.len() <= 17, "{only_server:#?}");
    assert!(only_green.len() <= 21, "{only_green:#?}");
    // The rest of the lesson: without what only one of the models has, the loops are the same text.
    let plain = |text: &str| {
        let code = text.split_once("/// Accepts clients for ever.").expect("the second function").1;
        let code = code.replace("async move", "move ||").replace("async ", "");
        let code = code.replace(".await", "").replace("greenloop::spawn", "green::spawn");
        code.replace("mut stream", "stream")
    };
    assert_eq!(plain(&server), plain(&green));
}

#[test]
fn green_clients_have_a_port_each_and_are_content_with_an_echo() {
    let (_server, address) = Program::serve("echo_green", &[ANY_PORT]);
    let address = address.to_string();
    let ended = Program::run("green_clients", &[&address, "--messages", "4"]);
    assert!(ended.status.success(), "{ended:?}");
    let text = ended.stdout;
    assert!(text.starts_with("500 clients on 500 ports\n"), "{text}");
    assert!(text.ends_with("per client: min 4, max 4\n"), "{text}");
}

#[test]
fn green_clients_end_when_the_time_is_over() {
    let (_server, address) = Program::serve("echo_green", &[ANY_PORT]);
    let start = Instant::now();
    let address = address.to_string();
    let ended = Program::run("green_clients", &[&address, "--clients", "20", "--seconds", "1"]);
    assert!(ended.status.success(), "{ended:?}");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(ended.stdout.contains("per client: min "));
}

#[test]
fn green_clients_notice_wrong_bytes() {
    let (_server, address) = Program::serve("echo_green", &[ANY_PORT, "--upper"]);
    let ended = Program::run("green_clients", &[&address.to_string(), "--clients", "3"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("other bytes came back"));
}

#[test]
fn eat_play_prints_what_greenlet_prints() {
    assert_eq!(output("eat_play"), "egon eat 1\negon play 1\negon eat 2\negon play 2\n");
}

#[test]
fn generators_hand_out_values_and_take_others_in() {
    let text = output("generators");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "Fibonacci: [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]");
    let moves = ["AC1", "AB2", "CB1", "AC3", "BA1", "BC2", "AC1"];
    for (number, (line, pegs)) in lines[1..8].iter().zip(moves).enumerate() {
        let (from, to, disc) = (&pegs[..1], &pegs[1..2], &pegs[2..]);
        assert_eq!(*line, format!("move {}: disc {disc} from {from} to {to}", number + 1));
    }
    let averages = ["average with 10: 10", "average with 20: 15", "average with 60: 30"];
    assert_eq!(lines[8..11], averages);
    assert_eq!(lines[11..], ["that was the average of 3 numbers"]);
}

#[test]
fn pool_crawl_finds_every_page_with_five_requests_at_a_time() {
    let text = output("pool_crawl");
    let (pages, seconds) = text.lines().next().unwrap().split_once(" pages in ").unwrap();
    assert_eq!(pages, "50");
    // 50 pages, five at a time, of 20 ms each.
    assert!(seconds.trim_end_matches(" s").parse::<f64>().unwrap() >= 0.2, "{text}");
    assert!(text.ends_with("at most 5 requests at a time\n"), "{text}");
}

#[test]
fn mixed_shares_a_socket_a_handle_and_a_time_out() {
    let text = output("mixed");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "an async task has heard \"hello\"");
    assert_eq!(lines[1], "together they have found 42");
    assert_eq!(lines[2], "2 were in time");
    let late = |line: &&str| line.starts_with("one was late: ") && line.ends_with("was cancelled");
    assert_eq!(lines[3..].iter().filter(|line| late(line)).count(), 2, "{text}");
}

/// Runs an example that succeeds, and gives what it prints.
fn output(name: &str) -> String {
    let ended = Program::run(name, &[]);
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.stderr, "");
    ended.stdout
}

/// The lines that only one of two texts has, as `diff` tells them.
fn difference<'a>(one: &'a str, other: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (one, other): (Vec<_>, Vec<_>) = (one.lines().collect(), other.lines().collect());
    // The length of the longest common subsequence of what follows each pair of places.
    let mut common = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in (0..one.len()).rev() {
        for j in (0..other.len()).rev() {
            common[i][j] = if one[i] == other[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut only_one, mut only_other) = (Vec::new(), Vec::new());
    while i < one.len() || j < other.len() {
        if i < one.len() && j < other.len() && one[i] == other[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == other.len() || i < one.len() && common[i + 1][j] >= common[i][j + 1] {
            only_one.push(one[i]);
            i += 1;
        } else {
            only_other.push(other[j]);
            j += 1;
        }
    }
    (only_one, only_other)
}

#[test]
fn dining_ends_in_a_report_of_the_deadlock_and_then_everybody_eats() {
    let ended = Program::run("dining", &[]);
    assert!(ended.status.success(), "{ended:?}");
    let (stuck, cured) = ended.stdout.split_once("-- noodles first\n").unwrap();
    assert!(stuck.contains("deadlock: "), "{stuck}");
    // Two are in the circle: the one who has the fork, and the one who has the noodles.
    let circle = stuck.lines().find(|line| line.contains("a circle of tasks")).unwrap();
    let [fork, noodles] = ["\"nezha\"", "\"egon\""];
    assert!(circle.contains(fork) && circle.contains(noodles), "{circle}");
    assert_eq!(circle.matches(" -> ").count(), 2, "{circle}");
    let waiting = stuck.lines().filter(|line| line.contains("waits for the Mutex made at "));
    let waiting: Vec<_> = waiting.collect();
    assert_eq!(waiting.len(), 5, "one of six has eaten: {stuck}");
    for line in waiting {
        assert!(line.contains("(green thread), spawned at examples/dining.rs:"), "{line}");
        assert!(line.contains("which task ") && line.ends_with(" has"), "{line}");
    }
    assert_eq!(cured.lines().filter(|line| line.ends_with("has the fork and eats")).count(), 6);
    assert!(cured.ends_with("0 portions are left\n"), "{cured}");
}
