//! The machine and the table.

use crate::bench::Bench;
use std::fs;

/// Prints where the figures are taken.
pub fn print_machine(cpu: usize) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    println!("machine   {model}; everything runs on processor {cpu}");
    println!("kernel    Linux {}", read("/proc/sys/kernel/osrelease").trim());
    println!("load      {} (others share the machine)", read("/proc/loadavg").trim());
}

/// Prints a row per bench and a column per peer. In brackets: how many times greenloop's figure,
/// by the median of the ratios within the repetitions.
pub fn print(peers: &[&str], figures: &[Vec<Vec<f64>>]) {
    print!("| {:<36}|", "bench");
    peers.iter().for_each(|name| print!(" {name:>17} |"));
    println!(" {:>6} |", "spread");
    print!("|{}|", "-".repeat(37));
    peers.iter().for_each(|_| print!("{}:|", "-".repeat(18)));
    println!("{}:|", "-".repeat(7));
    for (row, bench) in figures.iter().zip(Bench::ALL) {
        print!("| {:<36}|", bench.names().1);
        let base = peers.iter().position(|name| *name == "greenloop").map(|place| &row[place]);
        let mut spread: f64 = 0.0;
        for cell in row {
            let Some(median) = quantile(cell, 0.5) else {
                print!(" {:>17} |", "–");
                continue;
            };
            let ratios = base.map(|base| cell.iter().zip(base).map(|(one, base)| one / base));
            let ratio = ratios.and_then(|ratios| quantile(&ratios.collect::<Vec<_>>(), 0.5));
            let ratio = ratio.map_or(String::new(), |ratio| format!("({ratio:.2})"));
            print!(" {:>8} {ratio:>8} |", figure(median));
            let (low, high) = (quantile(cell, 0.25), quantile(cell, 0.75));
            let off = |edge: Option<f64>| edge.map_or(0.0, |edge| (edge / median - 1.0).abs());
            spread = spread.max(off(low)).max(off(high));
        }
        println!(" {:>4.0} % |", spread * 100.0);
    }
}

/// The figure that so large a part of the figures is below; nothing if there are none.
fn quantile(figures: &[f64], part: f64) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// Three digits that matter.
fn figure(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}
