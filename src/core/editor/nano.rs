//! nano takes its settings from its configuration alone: no option switches off
//! what that switches on. So it gets a configuration of its own, which is the
//! person's and a few lines at the end (nano 4.8 and newer, `--rcfile`).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Copies of the file, and what was searched for. A lock file beside the text
/// holds no text.
const LAST: &str = "\nunset backup\nunset historylog\nunset positionlog\n";

/// The content of the configuration.
pub(super) fn config<'a>(program: &Path, variable: impl Fn(&str) -> Option<&'a OsStr>) -> Vec<u8> {
    let path = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    // As the program was built: /usr/bin has /etc, /opt/x/bin has /opt/x/etc.
    let prefix = program.parent().and_then(Path::parent);
    let built = prefix.map(|prefix| prefix.join("etc/nanorc"));
    let system = [built, Some("/etc/nanorc".into())];
    // nano does not believe root's HOME, which may be that of whoever became root.
    let is_root = rustix::process::geteuid().is_root();
    let home = is_root.then(home_of_root).flatten().or(path("HOME"));
    let own = [
        home.as_ref().map(|home| home.join(".nanorc")),
        path("XDG_CONFIG_HOME").map(|config| config.join("nano/nanorc")),
        home.map(|home| home.join(".config/nano/nanorc")),
    ];
    let first = |paths: &[Option<PathBuf>]| {
        let mut texts = paths.iter().flatten().map(std::fs::read);
        texts.find_map(Result::ok).unwrap_or_default()
    };
    [first(&system), b"\n".to_vec(), first(&own), LAST.into()].concat()
}

fn home_of_root() -> Option<PathBuf> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    // name:password:uid:gid:description:home:shell
    let mut users = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let root = users.find(|fields| fields.get(2) == Some(&"0"))?;
    root.get(5).map(PathBuf::from)
}
