//! The peers that are not written in Rust: found, built, and started.

use std::io;
use std::path::PathBuf;
use std::process::{Command, id};
use std::{env, fs};

/// A folder for their programs, which goes away with this.
pub struct External {
    folder: PathBuf,
}

impl External {
    /// Makes the folder.
    pub fn new() -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("greenloop-peers-green-{}", id()));
        fs::create_dir_all(&folder)?;
        Ok(External { folder })
    }

    /// Builds the program in Go, and gives its version and the command that runs it.
    pub fn go(&self) -> Result<(String, Vec<String>), String> {
        let version = output(Command::new("go").arg("version"))?;
        let version = version.trim_start_matches("go version go").to_owned();
        let source = self.write("bench.go", include_str!("bench.go"))?;
        let program = self.folder.join("bench-go").to_string_lossy().into_owned();
        output(Command::new("go").args(["build", "-o", &program, &source]))?;
        Ok((format!("{version} (GOMAXPROCS=1)"), vec![program]))
    }

    /// Gives the version and the command that runs the program in Python.
    pub fn gevent(&self) -> Result<(String, Vec<String>), String> {
        const VERSIONS: &str = "import gevent, greenlet, platform; print(gevent.__version__, \
            '(greenlet', greenlet.__version__, 'on Python', platform.python_version() + ')')";
        let python = env::var("PYTHON").unwrap_or("python3".to_owned());
        let version = output(Command::new(&python).args(["-c", VERSIONS]))?;
        Ok((version, vec![python, self.write("bench.py", include_str!("bench.py"))?]))
    }

    fn write(&self, name: &str, text: &str) -> Result<String, String> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|error| error.to_string())?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for External {
    fn drop(&mut self) {
        // It lies in the temporary directory: a leftover harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs a command to its end, and gives what it says; what it complains about is the error.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", complaint.lines().last().unwrap_or_default()))
}
