//! The environment variables that kb knows, and what they resolve to.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Component, PathBuf};

use crate::core::cluster::{KubeconfigSource, ProxyVariables};
use crate::core::drafts::Drafts;
use crate::core::private_dir::TempDirs;

/// The working directory as the shell came to it, links and all.
pub const PWD: &str = "PWD";
/// Kubeconfig files, separated as `PATH` is.
pub const KUBECONFIG: &str = "KUBECONFIG";
/// The home directory, for `~/.kube/config`.
pub const HOME: &str = "HOME";
/// The `.sops.yaml` to use, as for sops.
pub const SOPS_CONFIG: &str = "SOPS_CONFIG";
/// Set in a pod: the API server's host.
pub const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// Set in a pod: the API server's port.
pub const KUBERNETES_SERVICE_PORT: &str = "KUBERNETES_SERVICE_PORT";
/// The recipient whose key sops wants, set for `SOPS_AGE_KEY_CMD`.
pub const SOPS_AGE_RECIPIENT: &str = "SOPS_AGE_RECIPIENT";
/// The proxy for `https://` servers; the lower-case name counts too.
pub const HTTPS_PROXY: &str = "HTTPS_PROXY";
/// The proxy for `http://` servers; the lower-case name counts too.
pub const HTTP_PROXY: &str = "HTTP_PROXY";
/// Hosts to reach without a proxy; the lower-case name counts too.
pub const NO_PROXY: &str = "NO_PROXY";
/// Set for a program that a web server runs for a request (CGI).
pub const REQUEST_METHOD: &str = "REQUEST_METHOD";

/// A directory in memory that is the person's own (XDG base directories).
pub const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// Where programs keep what they learn (XDG base directories); `~/.local/state` without
/// it.
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// The list of accepted key servers, for messages.
pub const KEY_SERVERS: &str = "$XDG_STATE_HOME/kb/servers, or ~/.local/state/kb/servers";
/// The directory for temporary files.
pub const TMPDIR: &str = "TMPDIR";

/// The name of the shell that asks for completions.
pub const KB_COMPLETE: &str = "KB_COMPLETE";
/// Which word is to be completed: of kb's own script, and of clap's.
pub const KB_COMPLETE_INDEX: &str = "KB_COMPLETE_INDEX";
/// See [`KB_COMPLETE_INDEX`].
pub const CLAP_COMPLETE_INDEX: &str = "_CLAP_COMPLETE_INDEX";

/// A point of a rotation at which a debug build stops itself, for the tests.
#[cfg(debug_assertions)]
pub const KB_TEST_PAUSE_AT: &str = "KB_TEST_PAUSE_AT";

/// Where memory can be written to on every Linux.
const SHARED_MEMORY: &str = "/dev/shm";
/// Where temporary files go if nothing else is said.
const TEMPORARY: &str = "/tmp";

/// The environment as it was when kb started.
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Takes the variables.
    pub fn new(variables: Vec<(OsString, OsString)>) -> Self {
        Self(variables)
    }

    /// All of it, for a program that kb starts.
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        self.0.clone()
    }

    /// The value of a variable; an empty one counts as unset.
    fn get(&self, name: &str) -> Option<&OsStr> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_os_str())
            .filter(|value| !value.is_empty())
    }

    /// The working directory as the person came there, as sops (Go's `os.Getwd`)
    /// has it: a directory that was reached through a link keeps that name.
    pub fn spelled(&self, real: PathBuf) -> PathBuf {
        let spelled = self.get(PWD).map(PathBuf::from);
        let same = |path: &PathBuf| {
            // With `..` sops would look for files in another directory.
            let plain = |part| part != Component::ParentDir;
            let is = |other: PathBuf| real.canonicalize().is_ok_and(|real| real == other);
            path.is_absolute() && path.components().all(plain) && path.canonicalize().is_ok_and(is)
        };
        // As components: without a doubled slash, or one at the end.
        let spelled = spelled.filter(same).map(|path| path.components().collect());
        spelled.unwrap_or(real)
    }

    /// The shell that asks for completions.
    pub fn shell_that_completes(&self) -> Option<String> {
        Some(self.get(KB_COMPLETE)?.to_string_lossy().into_owned())
    }

    /// Which of the words is to be completed, where the shell says it.
    pub fn word_to_complete(&self) -> Option<usize> {
        let index = self.get(KB_COMPLETE_INDEX);
        let index = index.or_else(|| self.get(CLAP_COMPLETE_INDEX));
        index?.to_str()?.parse().ok()
    }

    fn text(&self, name: &str) -> String {
        let lower = name.to_ascii_lowercase();
        let value = self.get(name).or_else(|| self.get(&lower));
        value.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The recipient whose key sops wants.
    pub fn wanted_recipient(&self) -> Option<String> {
        let value = self.get(SOPS_AGE_RECIPIENT)?;
        Some(value.to_string_lossy().into_owned())
    }

    /// The `.sops.yaml` that `SOPS_CONFIG` names.
    pub fn named_config(&self) -> Option<PathBuf> {
        self.get(SOPS_CONFIG).map(PathBuf::from)
    }

    /// The list of key servers that were accepted on this machine; `None` where there is
    /// no place for it.
    pub fn key_servers(&self) -> Option<PathBuf> {
        Some(self.state_directory()?.join("servers"))
    }

    /// The unsaved texts of this person.
    pub fn drafts(&self) -> Drafts {
        Drafts::new(self.state_directory().map(|state| state.join("drafts")))
    }

    /// Where kb keeps what it is to remember; `None` without a home directory.
    fn state_directory(&self) -> Option<PathBuf> {
        let path = |name| self.get(name).map(PathBuf::from);
        // The specification has a path that is not absolute ignored.
        let state = path(XDG_STATE_HOME).filter(|path| path.is_absolute());
        let state = state.or_else(|| Some(path(HOME)?.join(".local/state")))?;
        Some(state.join("kb"))
    }

    /// Where a plaintext may be while someone edits it.
    pub fn places(&self) -> TempDirs {
        // sops is given the path as text.
        let usable = |path: &PathBuf| path.is_absolute() && path.to_str().is_some();
        let path = |name| self.get(name).map(PathBuf::from).filter(usable);
        let memory = path(XDG_RUNTIME_DIR).into_iter();
        TempDirs {
            memory: memory.chain([SHARED_MEMORY.into()]).collect(),
            disk: path(TMPDIR).unwrap_or_else(|| TEMPORARY.into()),
        }
    }

    /// Stops kb at a point that [`KB_TEST_PAUSE_AT`] names, so that a test can kill
    /// it there, look into its memory, or change something and let it go on.
    #[cfg(debug_assertions)]
    pub fn pause_at(&self, point: &str) {
        #[cfg(target_os = "linux")]
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        use rustix::process::{Signal, getpid, kill_process};
        if self
            .get(KB_TEST_PAUSE_AT)
            .is_some_and(|named| named == point)
        {
            // Else root alone may look into it.
            #[cfg(target_os = "linux")]
            let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }

    /// There is no such thing in a kb for people.
    #[cfg(not(debug_assertions))]
    pub fn pause_at(&self, _point: &str) {}

    /// Whether [`KUBECONFIG`] names any file.
    pub fn names_kubeconfigs(&self) -> bool {
        !self.listed_kubeconfigs().is_empty()
    }

    fn listed_kubeconfigs(&self) -> Vec<PathBuf> {
        let list = self.get(KUBECONFIG).unwrap_or_default();
        let paths = std::env::split_paths(list);
        paths.filter(|path| !path.as_os_str().is_empty()).collect()
    }

    /// Where to look for the cluster; `named` is a kubeconfig, and `context` one in it.
    pub fn kubeconfig(
        &self,
        named: Option<&PathBuf>,
        context: Option<&String>,
    ) -> KubeconfigSource {
        let pod = |name| {
            self.get(name)
                .map(|value| value.to_string_lossy().into_owned())
        };
        let named = named.filter(|path| !path.as_os_str().is_empty());
        // A KUBECONFIG of separators alone names no file, not the default one either.
        let default = || match (self.get(KUBECONFIG), self.get(HOME)) {
            (None, Some(home)) => vec![PathBuf::from(home).join(".kube/config")],
            _ => self.listed_kubeconfigs(),
        };
        KubeconfigSource {
            files: named.map_or_else(default, |path| vec![path.clone()]),
            must_exist: named.is_some(),
            context: context.cloned(),
            in_cluster: pod(KUBERNETES_SERVICE_HOST).zip(pod(KUBERNETES_SERVICE_PORT)),
            proxy: ProxyVariables {
                https: self.text(HTTPS_PROXY),
                http: self.text(HTTP_PROXY),
                no: self.text(NO_PROXY),
                cgi: self.get(REQUEST_METHOD).is_some(),
            },
            terminal: std::io::stdin().is_terminal(),
            environment: self.variables(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_key_servers_is_in_the_persons_state_directory() {
        let list = |variables: &[(&str, &str)]| {
            let variables = variables.iter();
            let variables = variables.map(|(name, value)| (name.into(), value.into()));
            Environment::new(variables.collect()).key_servers()
        };
        let home = (HOME, "/home/me");
        let expected = Some("/home/me/.local/state/kb/servers".into());
        assert_eq!(list(&[home]), expected);
        assert_eq!(list(&[home, (XDG_STATE_HOME, "relative")]), expected);
        let expected = Some("/state/kb/servers".into());
        assert_eq!(list(&[home, (XDG_STATE_HOME, "/state")]), expected);
        assert_eq!(list(&[]), None);
    }
}
