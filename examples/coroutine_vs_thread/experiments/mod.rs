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

use std::{fs, io, path::Path, time::Instant};

use run::Run;
use scale::Scale;

use crate::{
    cli::Plan,
    data::{Fact, Report, SCHEMA, Section},
    draw, machine, system,
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

/// Does what the user has asked for.
pub fn compare(plan: &Plan) -> io::Result<()> {
    let report = match &plan.draw {
        Some(file) => Report::parse(&fs::read_to_string(file)?)?,
        None => measure(plan)?,
    };
    write(&report, plan)?;
    print!("{}", draw::terminal::table(&report));
    println!("\nThe pictures are in {}.", plan.out.join("report.html").display());
    Ok(())
}

fn measure(plan: &Plan) -> io::Result<Report> {
    if let Some(name) = plan.only.iter().find(|name| ALL.iter().all(|it| it.name != *name)) {
        return Err(io::Error::other(format!("no comparison is called `{name}`")));
    }
    system::raise_file_limit()?;
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
        title: "Coroutines against threads".to_owned(),
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

fn write(report: &Report, plan: &Plan) -> io::Result<()> {
    fs::create_dir_all(&plan.out)?;
    let named = |error: io::Error, path: &Path| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let write = |path: &Path, text: String| fs::write(path, text).map_err(|it| named(it, path));
    let json = report.to_json();
    write(&plan.out.join("report.html"), draw::html::page(report, &json))?;
    for picture in report.sections.iter().flat_map(|section| &section.pictures) {
        write(&plan.out.join(format!("{}.svg", picture.id)), draw::file(picture))?;
    }
    if let Some(path) = &plan.json {
        write(path, json.clone())?;
    }
    if let Some(path) = &plan.markdown {
        let document = fs::read_to_string(path).map_err(|it| named(it, path))?;
        // Both are given as seen from here; the pictures stand below the document.
        let folder = path.parent().and_then(|parent| plan.out.strip_prefix(parent).ok());
        let folder = folder.unwrap_or(&plan.out).display().to_string();
        write(path, draw::markdown::put_into(&document, report, &folder)?)?;
    }
    write(&plan.out.join("report.json"), json)
}
