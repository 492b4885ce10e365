//! Running a program and telling what it cost.

use std::path::Path;
use std::process::{Command, Stdio};

/// What one or several runs cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Seconds that passed.
    pub(crate) wall: f64,
    /// Seconds of processor time, in programs and kernel.
    pub(crate) processor: f64,
    /// Peak memory in bytes.
    pub(crate) memory: f64,
    /// Bytes that the program itself wrote to files.
    pub(crate) written: f64,
}

impl Cost {
    /// The median of each quantity by itself.
    pub(crate) fn median(costs: &[Cost]) -> Cost {
        let of = |quantity: fn(&Cost) -> f64| {
            let mut values: Vec<f64> = costs.iter().map(quantity).collect();
            values.sort_by(f64::total_cmp);
            let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
            (values[low] + values[high]) / 2.0
        };
        Cost {
            wall: of(|cost| cost.wall),
            processor: of(|cost| cost.processor),
            memory: of(|cost| cost.memory),
            written: of(|cost| cost.written),
        }
    }
}

/// Runs `program` under `/usr/bin/time`. Whatever it says is shown when it fails; that ends the
/// benchmark.
pub(crate) fn run(scratch: &Path, program: &str, arguments: &[&str]) -> Cost {
    let report = scratch.join("time");
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%e %U %S %M %O", "-o"])
        .arg(&report)
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("GNU time is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    let report = std::fs::read_to_string(report).unwrap();
    let numbers: Vec<f64> =
        report.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [wall, user, system, kibibytes, blocks] = numbers[..] else { panic!("{report}") };
    Cost { wall, processor: user + system, memory: kibibytes * 1024.0, written: blocks * 512.0 }
}
