//! How much memory processes have, as the kernel counts it.
//!
//! Resident memory is what is there in pages; virtual memory is what is promised, and costs nothing but
//! addresses. The kernel keeps more beside it: a stack of its own per thread, page tables per process.

use std::{collections::HashMap, fs, io};

/// The memory of one process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Pages that are there, each shared one counted in part: so processes can be summed up.
    pub resident: f64,
    /// Promised addresses.
    pub reserved: f64,
}

/// Asks the kernel for the memory of the process `pid`.
pub fn of(pid: u32) -> io::Result<Memory> {
    let rollup = fields(&format!("/proc/{pid}/smaps_rollup"))?;
    let status = fields(&format!("/proc/{pid}/status"))?;
    let field = |fields: &HashMap<String, f64>, name: &str| {
        fields.get(name).copied().ok_or_else(|| io::Error::other(format!("no field {name}")))
    };
    Ok(Memory { resident: field(&rollup, "Pss")?, reserved: field(&status, "VmSize")? })
}

/// The memory of several processes together.
pub fn of_all(pids: &[i32]) -> io::Result<Memory> {
    let mut sum = Memory::default();
    for &pid in pids {
        let one = of(pid as u32)?;
        sum.resident += one.resident;
        sum.reserved += one.reserved;
    }
    Ok(sum)
}

/// What the kernel keeps for all stacks and page tables of the machine, in bytes.
pub fn of_kernel() -> io::Result<f64> {
    let all = fields("/proc/meminfo")?;
    Ok(["KernelStack", "PageTables"].iter().filter_map(|name| all.get(*name)).sum())
}

/// What could be had without swapping, in bytes.
pub fn available() -> Option<f64> {
    fields("/proc/meminfo").ok()?.get("MemAvailable").copied()
}

/// Reads the lines `NAME: NUMBER kB`, as bytes.
fn fields(path: &str) -> io::Result<HashMap<String, f64>> {
    let text = fs::read_to_string(path)?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let kib: f64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some((name.to_owned(), kib * 1024.0))
    };
    Ok(text.lines().filter_map(field).collect())
}
