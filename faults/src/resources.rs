//! What a process uses: memory, descriptors, connections, from `/proc`.

use std::fs;

/// What a process uses at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceUsage {
    /// Resident memory, KB.
    pub memory_kb: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Of those, sockets.
    pub sockets: usize,
}

impl ResourceUsage {
    /// What the process uses now; nothing, when it has ended.
    pub fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory_kb = memory.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
        let targets: Vec<_> = entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        let sockets = targets.iter().filter(|target| target.to_string_lossy().starts_with("socket:")).count();
        Self { memory_kb, descriptors: targets.len(), sockets }
    }
}

#[cfg(test)]
mod tests {
    use super::ResourceUsage;

    #[test]
    fn a_process_uses_memory_and_descriptors() {
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let used = ResourceUsage::of(std::process::id());
        assert!(used.memory_kb > 500 && used.descriptors > used.sockets && used.sockets >= 1, "{used:?}");
    }
}
