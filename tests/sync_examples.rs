//! The example programs about locks and queues do what their first lines promise.

mod programs;

use programs::Program;

#[test]
fn bad_arguments_give_a_usage_line_and_status_2() {
    for name in ["producer_consumer", "rate_limiter", "keyed_workers", "bank", "bounded_workers"] {
        let ended = Program::run(name, &["--fast"]);
        assert_eq!(ended.status.code(), Some(2), "{name}: {ended:?}");
        assert_eq!(ended.stderr, format!("usage: {name}\n"));
    }
}

#[test]
fn producer_consumer_eats_all_cakes_and_never_overloads_the_counter() {
    let text = output("producer_consumer");
    let expected = "all cakes are baked\n\
                    12 cakes were eaten, and both ate some: true\n\
                    at most 2 were on the counter\n";
    assert_eq!(text, expected);
}

#[test]
fn rate_limiter_lets_five_pass_at_once_and_then_one_per_step() {
    let text = output("rate_limiter");
    let mut steps = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.strip_prefix(&format!("request {} after ", number + 1));
        let line = line.unwrap_or_else(|| panic!("not in order: {text}"));
        steps.push(line.strip_suffix(" steps").unwrap().parse::<usize>().unwrap());
    }
    assert_eq!(steps.len(), 20, "{text}");
    // At the earliest, five at once, and then one more with each step.
    for (number, step) in steps.iter().enumerate().skip(5) {
        assert!(*step >= number - 4, "request {} is too early: {text}", number + 1);
    }
}

#[test]
fn keyed_workers_keep_the_order_of_each_customer() {
    let text = output("keyed_workers");
    let mut lines = text.lines();
    for customer in 0..7 {
        let line = lines.next().unwrap();
        assert_eq!(line, format!("customer {customer}: [1, 2, 3, 4, 5, 6]"));
    }
    assert_eq!(lines.next(), Some("4 workers were busy at once"));
}

#[test]
fn bank_loses_money_only_without_a_lock() {
    let text = output("bank");
    let expected = "nobody waits in between: 0\n\
                    they wait in between: -5000\n\
                    they wait under a lock: 0\n\
                    so do green threads: 0\n";
    assert_eq!(text, expected);
}

#[test]
fn bounded_workers_do_all_jobs_five_at_a_time() {
    let text = output("bounded_workers");
    let mut lines = text.lines();
    // One worker has all the long jobs, 20 of 10 ms, unless each takes the next; then they share 280 ms.
    for (way, least) in [("shares", 200), ("by key", 200), ("a queue", 56)] {
        let line = lines.next().unwrap();
        let time = line.strip_prefix(&format!("{way}: 100 jobs, 5 at a time, "));
        let time = time.unwrap_or_else(|| panic!("{text}")).strip_suffix(" ms").unwrap();
        assert!(time.parse::<u32>().unwrap() >= least, "{text}");
    }
    assert_eq!(lines.next(), None);
}

/// Runs an example that succeeds, and gives what it prints.
fn output(name: &str) -> String {
    let ended = Program::run(name, &[]);
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.stderr, "");
    ended.stdout
}
