//! The driver: asks children for every figure, turns by turn, and makes the report of them.

mod blocking;
mod compute;
mod cost;
mod counting;
mod echo;
mod memory;
mod run;
mod scale;
mod sleeps;

use std::{
    fs,
    io::{self, Write},
    time::Instant,
};

use run::Run;
use scale::Scale;

use crate::{
    cli::Plan,
    data::{Fact, Report, SCHEMA, Section},
    draw::{self, Places},
    machine,
};

/// One of the comparisons.
struct Experiment {
    /// What `--only` calls it.
    name: &'static str,
    /// How many steps the progress bar makes for it.
    steps: fn(&Scale) -> usize,
    /// Takes all its samples.
    measure: fn(&mut Run),
    /// Makes pictures and sentences of them.
    section: fn(&Run) -> Section,
}

const ALL: &[Experiment] = &[
    Experiment { name: "cost", steps: cost::steps, measure: cost::measure, section: cost::section },
    Experiment {
        name: "memory",
        steps: memory::steps,
        measure: memory::measure,
        section: memory::section,
    },
    Experiment {
        name: "sleeps",
        steps: sleeps::steps,
        measure: sleeps::measure,
        section: sleeps::section,
    },
    Experiment {
        name: "counting",
        steps: counting::steps,
        measure: counting::measure,
        section: counting::section,
    },
    Experiment {
        name: "cpu",
        steps: compute::steps,
        measure: compute::measure,
        section: compute::section,
    },
    Experiment { name: "echo", steps: echo::steps, measure: echo::measure, section: echo::section },
    Experiment {
        name: "blocking",
        steps: blocking::steps,
        measure: blocking::measure,
        section: blocking::section,
    },
];

const TITLE: &str = "Coroutines against threads";

/// Does what the user has asked for.
pub fn compare(plan: &Plan) -> io::Result<()> {
    let places =
        Places { out: &plan.out, json: plan.json.as_deref(), markdown: plan.markdown.as_deref() };
    let report = match &plan.draw {
        Some(file) => {
            let named = |it| draw::named(it, file);
            fs::read_to_string(file).and_then(|text| Report::parse(&text)).map_err(named)?
        }
        None => {
            check_names(plan)?;
            draw::check(TITLE, places)?;
            measure(plan)?
        }
    };
    draw::write(&report, places)?;
    let page = plan.out.join("report.html");
    let text =
        format!("{}\nThe pictures are in {}.\n", draw::terminal::table(&report), page.display());
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// A misspelt name is an error, not an empty report.
fn check_names(plan: &Plan) -> io::Result<()> {
    if let Some(name) = plan.only.iter().find(|name| ALL.iter().all(|it| it.name != *name)) {
        let names: Vec<_> = ALL.iter().map(|it| it.name).collect();
        let names = names.join(", ");
        return Err(io::Error::other(format!(
            "no comparison is called `{name}`; there are {names}"
        )));
    }
    Ok(())
}

fn measure(plan: &Plan) -> io::Result<Report> {
    let wanted: Vec<_> = ALL
        .iter()
        .filter(|it| plan.only.is_empty() || plan.only.iter().any(|name| name == it.name))
        .collect();
    let scale = Scale::of(plan);
    let steps = wanted.iter().map(|it| (it.steps)(&scale)).sum();
    let (start, started, ticks) = (Instant::now(), machine::now(), machine::Ticks::so_far());
    let mut facts = machine::facts();
    let mut run = Run::new(scale, steps)?;
    for experiment in &wanted {
        let ticks = machine::Ticks::so_far();
        (experiment.measure)(&mut run);
        let others = ticks.and_then(|ticks| ticks.others_since());
        run.others.extend(others.map(|part| (experiment.name, part)));
    }
    let stolen = ticks.and_then(|ticks| ticks.stolen_since());
    let mut warnings = Vec::new();
    if cfg!(debug_assertions) {
        warnings.push("This is a debug build: no figure means anything.".to_owned());
    }
    if plan.quick || plan.tiny {
        warnings.push("A quick run: for a look, not for a claim.".to_owned());
    }
    for (name, part) in &run.others {
        facts.push(Fact::new(&format!("others, during {name}"), format!("{:.0} %", part * 100.0)));
    }
    let disturbed: Vec<_> =
        run.others.iter().filter(|it| !run.is_alone(it.0)).map(|it| it.0).collect();
    if !disturbed.is_empty() {
        warnings.push(format!(
            "Others used the machine meanwhile (of {}). CPU times bear that well enough to be compared; \
             times on the wall, throughput and latencies do not.",
            disturbed.join(", ")
        ));
    }
    if let Some(stolen) = stolen {
        facts.push(Fact::new("stolen by the hypervisor", format!("{:.1} %", stolen * 100.0)));
        if stolen > 0.03 {
            warnings.push("The hypervisor gave much of the time to other machines.".to_owned());
        }
    }
    if run.server_cpus == [run.load_cpu] {
        warnings.push("There is one core only: servers and clients share it.".to_owned());
    }
    run.finish();
    Ok(Report {
        schema: SCHEMA.to_owned(),
        title: TITLE.to_owned(),
        about: "What async tasks, green threads, OS threads and processes cost, and what each of \
                them is good for: measured on this machine, by one command."
            .to_owned(),
        started,
        seconds: start.elapsed().as_secs_f64(),
        machine: facts,
        versions: machine::versions(),
        parameters: run.parameters(),
        warnings,
        sections: wanted.iter().map(|it| (it.section)(&run)).collect(),
        samples: run.samples,
    })
}
