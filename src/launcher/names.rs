//! What the program's own figures are called, and that all processes mean the same by their places on the
//! scoreboard.
//!
//! A worker that is a copy of the supervisor does anyway. One that executes the program's file may find
//! there, after the file was replaced, a program with other figures. Then it keeps its own to itself: it
//! would add to the wrong ones. An upgrade begins with a scoreboard of its own.

use std::{
    collections::BTreeSet,
    io,
    iter::repeat,
    rc::Rc,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use super::{
    builder::invalid,
    figures::{Counter, Gauge},
    histogram::Histogram,
    log::say,
    scoreboard::{BOUNDS, COUNTERS, GAUGES, HISTOGRAMS, Scoreboard},
    sys::memory,
};

/// The names of the program's own figures, each at the figure's place.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) counters: Rc<[String]>,
    pub(super) gauges: Rc<[String]>,
    pub(super) histograms: Rc<[(String, Rc<[u64]>)]>,
}

impl Names {
    pub(super) fn add_counter(&mut self, name: String) {
        assert!(self.counters.len() < COUNTERS, "there can be {COUNTERS} counters");
        add(&mut self.counters, name);
    }

    pub(super) fn add_gauge(&mut self, name: String) {
        assert!(self.gauges.len() < GAUGES, "there can be {GAUGES} gauges");
        add(&mut self.gauges, name);
    }

    pub(super) fn add_histogram(&mut self, name: String, bounds: Rc<[u64]>) {
        assert!(self.histograms.len() < HISTOGRAMS, "there can be {HISTOGRAMS} histograms");
        assert!(
            (1..=BOUNDS).contains(&bounds.len()),
            "a histogram has 1 to {BOUNDS} bounds, and {name:?} has {}",
            bounds.len()
        );
        assert!(bounds.is_sorted_by(|a, b| a < b), "the bounds of {name:?} do not ascend");
        add(&mut self.histograms, (name, bounds));
    }

    /// Refuses a name that was given twice: nobody could tell the two apart.
    pub(super) fn check(&self) -> io::Result<()> {
        let histograms: Vec<_> = self.histograms.iter().map(|(name, _)| name.clone()).collect();
        let kinds = [
            ("counters", &self.counters[..]),
            ("gauges", &self.gauges[..]),
            ("histograms", &histograms[..]),
        ];
        for (kind, names) in kinds {
            let mut seen = BTreeSet::new();
            if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
                return Err(invalid(format!("two {kind} are named {name:?}")));
            }
        }
        Ok(())
    }

    /// Says on the scoreboard which figures it has.
    pub(super) fn write_to(&self, board: &Scoreboard) {
        for (places, (_, bounds)) in board.bounds.iter().zip(self.histograms.iter()) {
            let bounds = bounds.iter().copied().chain(repeat(u64::MAX));
            places.iter().zip(bounds).for_each(|(place, bound)| place.store(bound, Relaxed));
        }
        board.figures.store(self.key(), Release);
    }

    /// A number that differs when the figures do: FNV-1a, which is the same in every build.
    fn key(&self) -> u64 {
        // No text contains the byte that ends it.
        let text = |name: &String| [name.as_bytes(), &[0xFF]].concat();
        let histogram = |(name, bounds): &(String, Rc<[u64]>)| {
            let mut bytes = [text(name), vec![bounds.len() as u8]].concat();
            bytes.extend(bounds.iter().flat_map(|bound| bound.to_le_bytes()));
            bytes
        };
        let kinds = [
            self.counters.iter().map(text).collect(),
            self.gauges.iter().map(text).collect(),
            self.histograms.iter().map(histogram).collect::<Vec<Vec<u8>>>(),
        ];
        let bytes = kinds.iter().flat_map(|kind| kind.iter().flatten().chain(&[0xFE]));
        bytes.fold(0xCBF2_9CE4_8422_2325, |key, byte| {
            (key ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        })
    }
}

fn add<T: Clone>(all: &mut Rc<[T]>, one: T) {
    *all = all.iter().cloned().chain([one]).collect();
}

/// The program's own figures, as one worker has them.
pub(super) struct Figures {
    names: Names,
    pub(super) board: &'static Scoreboard,
    place: usize,
}

impl Figures {
    /// Those at a place of the scoreboard, if that is of a program with the same.
    pub(super) fn new(names: Names, board: &'static Scoreboard, place: usize) -> io::Result<Self> {
        if board.figures.load(Acquire) == names.key() {
            return Ok(Self { names, board, place });
        }
        let pid = std::process::id();
        say(&format!(
            "greenloop: worker pid {pid}: the program has other counters, gauges or histograms than \
             when the launcher was started: what this worker counts is not seen until an upgrade"
        ));
        let board: &Scoreboard = memory::share_with_children()?;
        names.write_to(board);
        let place = board.hand_out(0, 1).expect("the scoreboard is empty");
        Ok(Self { names, board, place })
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn counter(&self, name: &str) -> Option<Counter> {
        let number = self.names.counters.iter().position(|own| own == name)?;
        Some(Counter { own: &self.board.entry(self.place).sums.counters[number] })
    }

    pub(super) fn gauge(&self, name: &str) -> Option<Gauge> {
        let number = self.names.gauges.iter().position(|own| own == name)?;
        Some(Gauge { own: &self.board.entry(self.place).gauges[number] })
    }

    pub(super) fn histogram(&self, name: &str) -> Option<Histogram> {
        let number = self.names.histograms.iter().position(|(own, _)| own == name)?;
        let own = self.board.histogram(self.place, number);
        Some(Histogram { bounds: &self.board.bounds[number], own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::scoreboard::OWN;

    fn names(counters: &[&str], gauges: &[&str], histograms: &[(&str, &[u64])]) -> Names {
        let mut names = Names::default();
        counters.iter().for_each(|name| names.add_counter((*name).into()));
        gauges.iter().for_each(|name| names.add_gauge((*name).into()));
        for (name, bounds) in histograms {
            names.add_histogram((*name).into(), (*bounds).into());
        }
        names
    }

    #[test]
    fn names_that_differ_anywhere_have_another_key() {
        let all = [
            names(&[], &[], &[]),
            names(&["a"], &[], &[]),
            names(&["b"], &[], &[]),
            names(&["a", "b"], &[], &[]),
            names(&["b", "a"], &[], &[]),
            names(&["ab"], &[], &[]),
            names(&[], &["a"], &[]),
            names(&[], &[], &[("a", &[1])]),
            names(&[], &[], &[("a", &[2])]),
            names(&[], &[], &[("a", &[1, 2])]),
            names(&[], &[], &[("a", &[1]), ("a", &[2])]),
        ];
        let keys: BTreeSet<_> = all.iter().map(Names::key).collect();
        assert_eq!(keys.len(), all.len());
        // What other builds have written on the scoreboard.
        let known = names(&["jobs"], &["waiting"], &[("size", &[10, 20])]);
        assert_eq!(known.key(), 0xB495_C7CC_9F9E_B5CE);
    }

    #[test]
    fn a_name_is_given_once() {
        assert!(names(&["a"], &["a"], &[("a", &[1])]).check().is_ok());
        for (twice, kind) in [
            (names(&["a", "a"], &[], &[]), "counters"),
            (names(&[], &["a", "a"], &[]), "gauges"),
            (names(&[], &[], &[("a", &[1]), ("a", &[2])]), "histograms"),
        ] {
            let error = twice.check().unwrap_err().to_string();
            assert_eq!(error, format!("two {kind} are named \"a\""));
        }
    }

    #[test]
    fn a_program_with_other_figures_keeps_its_own_to_itself() {
        let board: &Scoreboard = memory::share_with_children().unwrap();
        let supervisors = names(&["jobs"], &[], &[("size", &[10, 20])]);
        supervisors.write_to(board);
        let place = board.hand_out(0, 1).unwrap();
        let same = Figures::new(supervisors.clone(), board, place).unwrap();
        same.counter("jobs").unwrap().add(1);
        let other = Figures::new(names(&["lost", "jobs"], &[], &[]), board, place).unwrap();
        other.counter("lost").unwrap().add(10);
        other.counter("jobs").unwrap().add(100);
        assert!(other.histogram("size").is_none());
        assert_eq!(board.totals()[OWN..][..2], [1, 0]);
        // It sees what it has counted itself.
        assert_eq!(other.board.totals()[OWN..][..2], [10, 100]);
    }

    #[test]
    fn bounds_that_make_no_buckets_are_refused() {
        let add = |bounds: &[u64]| {
            let bounds = bounds.into();
            std::panic::catch_unwind(|| Names::default().add_histogram("a".into(), bounds)).is_ok()
        };
        let many: Vec<_> = (0..=BOUNDS as u64).collect();
        assert!(add(&[0]) && add(&many[1..]) && add(&[1, u64::MAX]));
        assert!(!add(&[]) && !add(&many) && !add(&[1, 1]) && !add(&[2, 1]));
    }
}
