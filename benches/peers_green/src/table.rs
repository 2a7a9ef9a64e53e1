//! The table.

use crate::bench::Bench;

/// Prints a row per bench and a column per peer, from a figure per bench, peer and repetition. In
/// brackets: how many times greenloop's figure, by the median of the ratios within the repetitions.
pub fn print(peers: &[&str], benches: &[Bench], figures: &[Vec<Vec<Option<f64>>>]) {
    print!("| {:<36}|", "bench");
    peers.iter().for_each(|name| print!(" {name:>17} |"));
    println!(" {:>6} |", "spread");
    print!("|{}|", "-".repeat(37));
    peers.iter().for_each(|_| print!("{}:|", "-".repeat(18)));
    println!("{}:|", "-".repeat(7));
    for (row, bench) in figures.iter().zip(benches) {
        print!("| {:<36}|", bench.names().1);
        let base = peers.iter().position(|name| *name == "greenloop").map(|place| &row[place]);
        let mut spread: f64 = 0.0;
        for cell in row {
            let own: Vec<f64> = cell.iter().copied().flatten().collect();
            let Some(median) = quantile(&own, 0.5) else {
                print!(" {:>17} |", "–");
                continue;
            };
            let pairs = base.into_iter().flat_map(|base| cell.iter().zip(base));
            let ratios: Vec<f64> =
                pairs.filter_map(|(one, base)| Some((*one)? / (*base)?)).collect();
            let ratio =
                quantile(&ratios, 0.5).map_or(String::new(), |ratio| format!("({ratio:.2})"));
            print!(" {:>8} {ratio:>8} |", figure(median));
            let off = |edge: Option<f64>| edge.map_or(0.0, |edge| (edge / median - 1.0).abs());
            spread = spread.max(off(quantile(&own, 0.25))).max(off(quantile(&own, 0.75)));
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
