//! What the benchmarks measure and print with.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Prints a figure, and whether it is within its bound.
pub(crate) fn report(what: &str, value: f64, most: f64, unit: &str) {
    let verdict = if value <= most { "met" } else { "MISSED" };
    println!("  {what:<26} {value:.2}{unit} (at most {most:.2}{unit}: {verdict})");
}

pub(crate) fn millis(duration: Duration) -> String {
    format!("{:6.1} ms", duration.as_secs_f64() * 1000.0)
}

pub(crate) fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

/// How long a program takes; what it prints is not looked at.
pub(crate) fn timed(mut command: Command) -> Result<Duration> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().with_context(|| program(&command))?;
    let time = start.elapsed();
    ensure!(status.success(), "{} failed", program(&command));
    Ok(time)
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
