//! How many compute threads a machine should be given.
//!
//! llama.cpp's threads wait for each other at every operation, so one slow core slows all of them: only the fastest
//! cores count, and only those that this process may use.

/// The performance cores that this process may use; at least 1.
#[must_use]
pub fn performance_core_count() -> u32 {
    let usable = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    fast_cores().map_or(usable, |fast| fast.min(usable)).max(1)
}

/// Cores about as fast as the fastest, where the system says how fast each is.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn fast_cores() -> Option<u32> {
    // ARM kernels give capacities; others only clocks.
    let speeds = ["cpu_capacity", "cpufreq/cpuinfo_max_freq"].iter().map(|file| core_speeds(file));
    speeds.into_iter().find(|speeds| !speeds.is_empty()).map(|speeds| count_fast(&speeds))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn fast_cores() -> Option<u32> {
    // Apple's own scheduler keeps a busy thread on a performance core; half of the cores is what its chips have of them.
    cfg!(target_vendor = "apple").then(|| {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        u32::try_from(cores.div_ceil(2)).unwrap_or(1)
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn core_speeds(file: &str) -> Vec<u64> {
    let read = |core: usize| std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu{core}/{file}")).ok();
    (0..).map_while(read).filter_map(|text| text.trim().parse().ok()).collect()
}

/// Cores that reach at least seven tenths of the fastest: a phone's big and middle cores, not its small ones.
#[cfg(any(target_os = "linux", target_os = "android", test))]
fn count_fast(speeds: &[u64]) -> u32 {
    let fastest = speeds.iter().copied().max().unwrap_or(0);
    let fast = speeds.iter().filter(|&&speed| speed * 10 >= fastest * 7).count();
    u32::try_from(fast).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phones_small_cores_do_not_count() {
        assert_eq!(count_fast(&[250, 250, 250, 250, 760, 760, 760, 1024]), 4);
        assert_eq!(count_fast(&[3_000_000; 8]), 8);
    }

    #[test]
    fn there_is_always_one() {
        assert!(performance_core_count() >= 1);
    }
}
