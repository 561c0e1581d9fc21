//! No hint puts a private key or a plaintext on a disk.

use std::path::{Path, PathBuf};

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths = paths.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    paths.collect()
}

/// Commands that write what they are given, or what they show, to a file, into an
/// annotation, or into the history of a shell.
const WRITING: [&str; 14] = [
    "edit secret",
    "kubectl edit",
    "kubectl apply",
    "apply -f",
    "create secret",
    "--from-literal",
    "-o yaml",
    "secret -o json",
    "decrypt -i",
    "decrypt --in-place",
    "decrypt --output",
    "age-keygen -o",
    "age-keygen --output",
    "SOPS_AGE_KEY=",
];

/// The words of hints are all in here. Those that change the Secret are also followed, in
/// the tests of `status`.
#[test]
fn no_hint_suggests_a_command_that_writes_a_secret_to_a_disk() {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let mut lines = 0;
    for path in sources(&cli) {
        let text = std::fs::read_to_string(&path).expect("a source");
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            lines += 1;
            for command in WRITING {
                assert!(!line.contains(command), "{}: {line}", path.display());
            }
        }
    }
    assert!(lines > 1000, "{lines} lines were looked at");
}
