//! Builds a program with Go, once, into the cache.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::catalog::Tool;

/// Builds `tool` from the module folder and puts it at `target`. `count` is how many of
/// how many that makes.
///
/// The program appears under its name only when it is whole: it is built in a
/// folder of its own in the cache and renamed. A lock per module folder keeps
/// a second process from building the same; that one waits and takes what the
/// first has built. The lock is the kernel's, so a killed build leaves none.
///
/// # Panics
/// If Go is missing or the build fails.
pub(super) fn build(tool: Tool, module: &Path, target: &Path, count: &str) -> PathBuf {
    let recipe = tool.recipe();
    let folder = target.parent().expect("the cache has a folder per version");
    let cache = folder.parent().expect("the cache is a folder");
    create_dir(folder);

    let lock_path = cache.join(format!(".{}.lock", recipe.folder));
    let lock =
        File::create(&lock_path).unwrap_or_else(|error| panic!("{}: {error}", lock_path.display()));
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(&format!(
                "waiting for another process that builds {}",
                recipe.folder
            ));
            lock.lock()
                .unwrap_or_else(|error| panic!("{}: {error}", lock_path.display()));
        }
        Err(TryLockError::Error(error)) => panic!("{}: {error}", lock_path.display()),
    }
    if target.is_file() {
        return target.to_owned();
    }

    // A new folder each time: the Go of a test process that was killed may
    // still be about to write into the old one.
    let prefix = format!(".building-{}-", recipe.folder);
    clear_leftovers(cache, &prefix);
    let staging = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(cache)
        .unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
    let built = staging.path().join(recipe.binary);
    say(&format!(
        "building {} with Go ({count}, about {} on two cores) into {}",
        recipe.binary,
        recipe.cold_build,
        folder.display()
    ));
    let started = Instant::now();
    compile(tool, module, &built);
    fs::rename(&built, target).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
    say(&format!(
        "built {} in {} s",
        recipe.binary,
        started.elapsed().as_secs()
    ));
    target.to_owned()
}

fn compile(tool: Tool, module: &Path, output: &Path) {
    let recipe = tool.recipe();
    let status = Command::new("go")
        .args(["build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w"])
        .arg("-o")
        .arg(output)
        .arg(recipe.package)
        .current_dir(module)
        // Settings of a person who cross-compiles or has a workspace around.
        .env("GOWORK", "off")
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    let ways_out = format!(
        "The tests run the real {} and never skip it. Either install Go 1.25 or newer (it then \
         is built once, into a cache outside the clone), or have the program itself in a folder \
         named by KUBEBUILDER_ASSETS or PATH.",
        recipe.binary
    );
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!(
            "{} could not be built in {}: go ended with {status}; its own words are above. \
             {ways_out}",
            recipe.binary,
            module.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!(
                "{} is missing, and so is Go to build it. {ways_out}",
                recipe.binary
            )
        }
        Err(error) => panic!("go could not be started: {error}. {ways_out}"),
    }
}

/// Removes what killed builds have left; called under the lock.
fn clear_leftovers(cache: &Path, prefix: &str) {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn create_dir(dir: &Path) {
    fs::create_dir_all(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
}

/// Past the capture of the test harness, which `eprintln!` would end in: the
/// person who waits six minutes is to see why.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "testkit: {text}");
}
