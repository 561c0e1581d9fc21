//! What stands in commits.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Ended, Git, GitError};

/// A branch, local or remote-tracking, or another name of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its name, as in `origin/main`.
    pub name: String,
    /// The commit at its tip.
    pub commit: String,
}

impl Git {
    /// Whether the commit is in this clone.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn has_commit(&self, commit: &str) -> Result<bool, GitError> {
        let object = format!("{commit}^{{commit}}");
        let ended = self.run("cat-file", &["-e", &object])?;
        // "Not a valid object name" for what is not there, and for what is a tag
        // or a tree; other fatal errors are about the repository.
        if ended.code() == Some(1) || ended.said().contains("Not a valid object name") {
            return Ok(false);
        }
        ended.printed().map(|_| true)
    }

    /// How many commits the second one has that the first one has not.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn count_commits(&self, known: &str, tip: &str) -> Result<usize, GitError> {
        let range = format!("{known}..{tip}");
        let count = self.text_of("rev-list", &["--count", &range, "--"])?;
        let no_number = |_| GitError::said("rev-list", "", "it printed no number");
        count.trim().parse().map_err(no_number)
    }

    /// The content of a file in a commit.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn show(&self, commit: &str, file: &Path) -> Result<Vec<u8>, GitError> {
        let mut object = OsString::from(format!("{commit}:"));
        object.push(file);
        self.run_ok("cat-file", &[OsStr::new("blob"), &object])
    }

    /// The content of a file in a commit, or `None` if it is not there.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn show_if_there(&self, commit: &str, file: &Path) -> Result<Option<Vec<u8>>, GitError> {
        let mut object = OsString::from(format!("{commit}:"));
        object.push(file);
        let ended = self.run("cat-file", &[OsStr::new("-e"), &object])?;
        let said = ended.said();
        // "path '…' does not exist in '…'", or "exists on disk, but not in '…'".
        if ended.code() == Some(1) || said.contains(" not in '") || said.contains("does not exist")
        {
            return Ok(None);
        }
        ended.printed()?;
        self.show(commit, file).map(Some)
    }

    /// The same of what a link leads to, if that is in the commit.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn show_target(&self, commit: &str, file: &Path) -> Result<Option<Vec<u8>>, GitError> {
        if file.as_os_str().as_bytes().contains(&b'\n') {
            // It cannot be asked for in one line.
            return self.show_if_there(commit, file);
        }
        self.objects()?.blob_at(commit, file)
    }

    /// Whether a file, whose path is from the top, is in a commit.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn has_file(&self, commit: &str, file: &Path) -> Result<bool, GitError> {
        Ok(self.show_if_there(commit, file)?.is_some())
    }

    /// The files that were renamed since a commit, in the working tree or in the index:
    /// for each new path the old one, both from the top.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn renamed(
        &self,
        commit: &str,
        in_index: bool,
    ) -> Result<HashMap<PathBuf, PathBuf>, GitError> {
        const TASK: &str = "diff-index";
        let mut options = vec![
            "--name-status",
            "-z",
            "-M",
            "--diff-filter=R",
            "--no-relative",
            "--no-ext-diff",
            "--ignore-submodules=all",
        ];
        let mut command = self.program();
        if in_index {
            options.push("--cached");
        } else {
            command.args(self.filters_off()?);
        }
        options.extend([commit, "--"]);
        command.arg(TASK).args(options);
        let printed = Ended::of(TASK, &mut command)?.printed()?;
        let mut parts = printed.split(|byte| *byte == 0);
        let mut renamed = HashMap::new();
        // "R100", the old path, the new one.
        while let (Some(_), Some(old), Some(new)) = (parts.next(), parts.next(), parts.next()) {
            let path = |name| PathBuf::from(OsStr::from_bytes(name));
            renamed.insert(path(new), path(old));
        }
        Ok(renamed)
    }

    /// Options with which git reads files of the working tree as they are. Otherwise the
    /// repository's configuration names a program, as for git-lfs, through which it sends
    /// their content before it compares them.
    fn filters_off(&self) -> Result<Vec<String>, GitError> {
        let arguments = ["--null", "--name-only", "--get-regexp", r"^filter\."];
        let ended = self.run("config", &arguments)?;
        // There is none.
        if ended.code() == Some(1) && ended.output.stderr.is_empty() {
            return Ok(Vec::new());
        }
        let printed = ended.printed()?;
        let names = String::from_utf8_lossy(&printed);
        let filters = names
            .split('\0')
            .filter_map(|name| Some(name.rsplit_once('.')?.0));
        let mut options = Vec::new();
        for filter in filters.collect::<BTreeSet<&str>>() {
            // git would take such a name for another setting.
            if filter.contains(['=', '\u{fffd}']) {
                let filter = filter.to_owned();
                return Err(GitError::Filter { filter });
            }
            for off in ["clean=", "smudge=", "process=", "required=false"] {
                options.extend(["-c".to_owned(), format!("{filter}.{off}")]);
            }
        }
        Ok(options)
    }

    /// The files of a commit with this name, in whatever directory.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn files_called(&self, commit: &str, name: &str) -> Result<Vec<PathBuf>, GitError> {
        let options = ["-r", "-z", "--full-tree", "--name-only", commit];
        let printed = self.run_ok("ls-tree", &options)?;
        let names = printed.split(|byte| *byte == 0);
        let paths = names.map(|name| PathBuf::from(OsStr::from_bytes(name)));
        Ok(paths
            .filter(|path| path.file_name() == Some(OsStr::new(name)))
            .collect())
    }

    /// The commit that is checked out; `None` in a repository without commits.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn head(&self) -> Result<Option<String>, GitError> {
        let ended = self.run("rev-parse", &["--verify", "--quiet", "HEAD^{commit}"])?;
        if ended.code() == Some(1) {
            return Ok(None);
        }
        ended.line().map(Some)
    }

    /// The URLs of the remotes, as git would reach them.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn remotes(&self) -> Result<Vec<String>, GitError> {
        // "NAME", a tab, "URL (fetch)".
        let text = self.text_of("remote", &["--verbose"])?;
        let urls = text.lines().filter_map(|line| {
            let (_, url) = line.split_once('\t')?;
            Some(url.rsplit_once(" (")?.0.to_owned())
        });
        Ok(urls.collect())
    }
}

/// The commit of a revision as Flux writes it (RFC-0005 of Flux): `main@sha1:…`,
/// `v1.0@sha1:…` or `sha1:…`; before Flux 2.0 `main/…`. An artifact that is not
/// Git's has a `sha256:` of its own, which is a commit only in a repository of that
/// object format.
pub fn commit_of(revision: &str) -> Option<&str> {
    let digest = revision.rsplit([':', '/']).next()?;
    let is_hex = |digest: &str| digest.chars().all(|c| c.is_ascii_hexdigit());
    (matches!(digest.len(), 40 | 64) && is_hex(digest)).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_from_every_form_of_a_revision() {
        let hex = "0123456789abcdef0123456789abcdef01234567";
        for revision in [
            format!("main@sha1:{hex}"),
            format!("feature/x@sha1:{hex}"),
            format!("sha1:{hex}"),
            format!("main/{hex}"),
            hex.to_owned(),
        ] {
            assert_eq!(commit_of(&revision), Some(hex), "{revision}");
        }
        for revision in ["main", "latest@sha256:abc", "main@sha1:--upload-pack=x"] {
            assert_eq!(commit_of(revision), None, "{revision}");
        }
    }
}
