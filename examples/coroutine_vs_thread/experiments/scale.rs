//! How much of everything is done: in a full run, in a quick one, and in a test.

use std::time::Duration;

use crate::{
    cli::{Cost, Plan},
    model::Model,
    one::RING,
};

/// The sizes of all experiments.
#[derive(Debug)]
pub struct Scale {
    /// What it is called.
    pub name: &'static str,
    /// Repetitions of the costs of one.
    pub cost_reps: usize,
    /// Their operations are divided by this.
    pub cost_divisor: usize,
    /// How many park.
    pub parked: &'static [usize],
    /// How many processes park at most.
    pub most_processes: usize,
    /// How often that is measured.
    pub parked_reps: usize,
    /// Repetitions of sleeping and of counting.
    pub lesson_reps: usize,
    /// How long the ten sleep each.
    pub nap: Duration,
    /// How long the critical part of those who count takes.
    pub critical: Duration,
    /// How many count.
    pub counters: usize,
    /// How much is computed by several workers, in steps.
    pub compute: u64,
    /// How much is computed in turns, in steps.
    pub turns: u64,
    /// Repetitions of computing.
    pub compute_reps: usize,
    /// How many connections an echo server has.
    pub connections: &'static [usize],
    /// Repetitions of each slice of an echo server's work.
    pub echo_reps: usize,
    /// How long a slice is without think time, and with.
    pub slice: [Duration; 2],
    /// How many messages a slice must have: it is longer if need be.
    pub least: u64,
    /// How many messages must lie beyond a percentile for it to count.
    pub beyond: f64,
    /// How long the clients think, if they do.
    pub think: Duration,
    /// Repetitions of the blocked server.
    pub blocking_reps: usize,
    /// How long it is blocked.
    pub blocked: Duration,
}

impl Scale {
    /// The scale that a user has asked for.
    pub fn of(plan: &Plan) -> Self {
        let millis = Duration::from_millis;
        match (plan.tiny, plan.quick) {
            (true, _) => Self {
                name: "tiny",
                cost_reps: 1,
                cost_divisor: 500,
                parked: &[20, 50],
                most_processes: 50,
                parked_reps: 1,
                lesson_reps: 1,
                nap: millis(2),
                critical: millis(1),
                counters: 10,
                compute: 100_000,
                turns: 50_000,
                compute_reps: 1,
                connections: &[1, 5],
                echo_reps: 1,
                slice: [millis(20), millis(40)],
                least: 5,
                beyond: 0.001,
                think: millis(4),
                blocking_reps: 1,
                blocked: millis(40),
            },
            (false, true) => Self {
                name: "quick",
                cost_reps: 3,
                cost_divisor: 4,
                parked: &[1_000, 10_000],
                most_processes: 1_000,
                parked_reps: 1,
                lesson_reps: 3,
                nap: millis(30),
                critical: millis(1),
                counters: 50,
                compute: 40_000_000,
                turns: 2_000_000,
                compute_reps: 2,
                connections: &[1, 100, 1_000],
                echo_reps: 2,
                slice: [millis(100), millis(150)],
                least: 1,
                beyond: 5.0,
                think: millis(50),
                blocking_reps: 1,
                blocked: millis(120),
            },
            (false, false) => Self {
                name: "full",
                cost_reps: 11,
                cost_divisor: 1,
                parked: &[1_000, 10_000, 100_000],
                most_processes: 10_000,
                parked_reps: 3,
                lesson_reps: 3,
                nap: millis(500),
                critical: millis(5),
                counters: 100,
                compute: 200_000_000,
                turns: 20_000_000,
                compute_reps: 5,
                connections: &[1, 10, 100, 1_000, 5_000],
                echo_reps: 5,
                slice: [millis(400), millis(1_000)],
                least: 1,
                beyond: 5.0,
                think: millis(100),
                blocking_reps: 3,
                blocked: millis(200),
            },
        }
    }

    /// How often a cost is paid in one measurement, so that it takes some tens of milliseconds.
    pub fn operations(&self, cost: Cost, model: Model) -> usize {
        let (full, least) = match (cost, model) {
            (Cost::Create, Model::Async | Model::Green) => (200_000, 100),
            (Cost::Create, Model::Thread) => (3_000, 100),
            (Cost::Create, Model::Process) => (300, 50),
            (Cost::Ring, Model::Async | Model::Green) => (500_000, 2 * RING),
            (Cost::Ring, _) => (20_000, 2 * RING),
            (_, Model::Async | Model::Green) => (200_000, 200),
            (_, _) => (10_000, 200),
        };
        (full / self.cost_divisor).max(least)
    }
}
