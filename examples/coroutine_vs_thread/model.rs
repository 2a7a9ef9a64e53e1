//! The four ways of doing many things at once.

use clap::ValueEnum;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Model {
    /// Async tasks of one event loop.
    Async,
    /// Green threads of one event loop.
    Green,
    /// Threads of the operating system.
    Thread,
    /// Processes.
    Process,
}

impl Model {
    /// All of them, in the order of tables and pictures.
    pub const ALL: [Model; 4] = [Model::Async, Model::Green, Model::Thread, Model::Process];

    /// Its name in tables, pictures and the raw figures.
    pub fn name(self) -> &'static str {
        match self {
            Model::Async => "async tasks",
            Model::Green => "green threads",
            Model::Thread => "OS threads",
            Model::Process => "processes",
        }
    }

    /// Its name on the command line.
    pub fn word(self) -> String {
        let value = self.to_possible_value().expect("no model is skipped");
        value.get_name().to_owned()
    }
}
