//! How much memory the program took.

/// The largest resident set so far in bytes, mapped weights included; `None` where the system does not tell (it is read from Linux).
pub(super) fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status).map(|size| size * 1024)
}

fn kibibytes(status: &str) -> Option<u64> {
    let size = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    size.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_from_the_status() {
        assert_eq!(kibibytes("Name:\tx\nVmPeak:\t  10 kB\nVmHWM:\t  123456 kB\n"), Some(123_456));
        assert_eq!(kibibytes("Name:\tx\n"), None);
    }
}
