//! Which files there are, and their content: those of the working tree, or those of
//! the index, which are what a commit would take.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::content::Content;
use super::keys::KeyFinder;
use super::rules::Rules;
use super::{Audit, AuditError, Examined};
use crate::core::git::{BlobError, Entry, Git};
use crate::core::parallel;
use crate::core::replace::is_temporary;
use crate::core::sops_config::{ConfigError, FILE_NAME, SopsConfig};

/// Of a file that is larger, in bytes, only so much is looked at: nobody encrypts such
/// a file with sops, which holds it in memory several times.
const LARGEST: u64 = 256 << 20;
/// So many files of the index one git is asked for at least: to start one more costs
/// as much as a few hundred files.
const FEWEST_BLOBS: usize = 500;

/// What is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What must not be committed.
    Leaks,
    /// Who can open the encrypted files, as well.
    All,
}

/// Looks at files of the working tree. `paths`: these, and what is below them; without
/// any, all of the repository at `root`. `git` tells which files there are; without it,
/// all count. `named`: the config that was named.
///
/// # Errors
/// [`AuditError::Git`], [`AuditError::Missing`]
pub fn working_tree(
    depth: Depth,
    root: &Path,
    git: Option<&Git>,
    paths: &[PathBuf],
    skip: &[PathBuf],
    named: Option<&Path>,
) -> Result<Audit, AuditError> {
    let mut files = files_of(root, git, paths)?;
    files.retain(|path| !is_skipped(path, skip));
    let rules = rules(&files, named, read_config);
    let looker = Looker::new(&rules, depth);
    let looked = parallel::map(&files, |path| looker.look_at_file(path));
    let mut unread = Vec::new();
    let mut found = Vec::new();
    for (path, result) in files.iter().zip(looked) {
        match result {
            Ok(file) => found.extend(file),
            // What went away meanwhile is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unread.push((path.clone(), error)),
        }
    }
    Ok(Audit {
        rules,
        files: found,
        paths: files,
        unread,
    })
}

/// Looks at what would be committed: the files whose content in the index is another
/// than in the last commit; all of the index, if a `.sops.yaml` is among them. The
/// rules are those of the index as well; those of the working tree only where the index
/// has no `.sops.yaml` at all, because it was not added yet.
///
/// # Errors
/// [`AuditError::Git`], [`AuditError::Blob`]
pub fn index(git: &Git, skip: &[PathBuf], named: Option<&Path>) -> Result<Audit, AuditError> {
    let root = git.root();
    let is_config = |entry: &Entry| entry.path.file_name().is_some_and(|name| name == FILE_NAME);
    let mut entries = git.staged()?;
    if entries.iter().any(is_config) {
        entries = git.index(None)?;
    }
    entries.retain(|entry| !is_skipped(&root.join(&entry.path), skip));
    let paths: Vec<PathBuf> = entries.iter().map(|entry| root.join(&entry.path)).collect();
    let mut configs = HashMap::new();
    let found = git.index(Some(FILE_NAME))?;
    git.contents(&found, |path, _, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        configs.insert(root.join(path), bytes);
        Ok(())
    })?;
    let rules = rules(&paths, named, |path| match configs.remove(path) {
        Some(bytes) => Some(SopsConfig::from_bytes(path, bytes)),
        // Above the repository there is no index.
        None if path.starts_with(root) && !found.is_empty() => None,
        None => read_config(path),
    });
    let workers = (entries.len() / FEWEST_BLOBS + 1).min(parallel::cores());
    let parts: Vec<&[Entry]> = entries
        .chunks(entries.len().div_ceil(workers).max(1))
        .collect();
    let looker = Looker::new(&rules, Depth::Leaks);
    let looked = parallel::map(&parts, |part| {
        let mut found = Vec::new();
        git.contents(part, |path, size, content| {
            found.extend(looker.look_at(&root.join(path), size, content)?);
            Ok(())
        })?;
        Ok::<_, BlobError>(found)
    });
    let looked: Result<Vec<_>, _> = looked.into_iter().collect();
    Ok(Audit {
        files: looked?.into_iter().flatten().collect(),
        rules,
        paths,
        unread: Vec::new(),
    })
}

fn is_skipped(path: &Path, skip: &[PathBuf]) -> bool {
    skip.iter().any(|skip| path.starts_with(skip))
}

/// The files, absolute and ordered.
fn files_of(root: &Path, git: Option<&Git>, paths: &[PathBuf]) -> Result<Vec<PathBuf>, AuditError> {
    let mut files = BTreeSet::new();
    let mut directories = Vec::new();
    for path in paths {
        let kind = path.symlink_metadata().map(|it| it.file_type());
        match kind {
            Ok(kind) if kind.is_dir() => directories.push(path.clone()),
            // What was named is looked at, ignored or not.
            Ok(_) => drop(files.insert(path.clone())),
            Err(_) => return Err(AuditError::Missing { path: path.clone() }),
        }
    }
    if paths.is_empty() {
        directories.push(root.to_owned());
    }
    let in_git = |directory: &Path| Some(directory.strip_prefix(root).ok()?.to_owned());
    match git {
        Some(git) if !directories.is_empty() => {
            let (inside, outside): (Vec<_>, Vec<_>) = directories
                .into_iter()
                .partition(|directory| in_git(directory).is_some());
            if !inside.is_empty() {
                let below: Vec<PathBuf> = inside.iter().filter_map(|it| in_git(it)).collect();
                let below = match below.iter().any(|path| path.as_os_str().is_empty()) {
                    true => Vec::new(),
                    false => below,
                };
                let listed = git.working_tree(&below)?;
                files.extend(listed.into_iter().map(|path| root.join(path)));
            }
            walk(&outside, &mut files);
        }
        _ => walk(&directories, &mut files),
    }
    files.retain(|path| {
        // kb's own, of a run that lives or was killed.
        !path.file_name().is_some_and(is_temporary)
            && path.symlink_metadata().is_ok_and(|it| it.is_file())
    });
    Ok(files.into_iter().collect())
}

/// All files below the directories, without other people's repositories.
fn walk(directories: &[PathBuf], files: &mut BTreeSet<PathBuf>) {
    for directory in directories {
        let top = directory.clone();
        let walk = WalkBuilder::new(directory)
            .standard_filters(false)
            .filter_entry(move |entry| {
                entry.file_name() != ".git"
                    && (entry.path() == top || !entry.path().join(".git").exists())
            })
            .build();
        files.extend(walk.flatten().map(ignore::DirEntry::into_path));
    }
}

fn read_config(path: &Path) -> Option<Result<SopsConfig, ConfigError>> {
    let is_there = path.symlink_metadata().is_ok();
    is_there.then(|| SopsConfig::load_or_empty(path))
}

/// The rules of the files; `load` reads the config at a path.
fn rules(
    files: &[PathBuf],
    named: Option<&Path>,
    mut load: impl FnMut(&Path) -> Option<Result<SopsConfig, ConfigError>>,
) -> Rules {
    if let Some(named) = named {
        let base = named.parent().unwrap_or(named).to_owned();
        // One that was named and is not there is an error of its own.
        let config = load(named).unwrap_or_else(|| SopsConfig::load(named));
        return Rules::named(config, base);
    }
    let directories: BTreeSet<&Path> = files.iter().filter_map(|path| path.parent()).collect();
    Rules::of_directories(directories, |directory| load(&directory.join(FILE_NAME)))
}

/// What looks at a file.
struct Looker<'r> {
    rules: &'r Rules,
    depth: Depth,
    keys: KeyFinder,
}

impl<'r> Looker<'r> {
    fn new(rules: &'r Rules, depth: Depth) -> Self {
        Self {
            rules,
            depth,
            keys: KeyFinder::new(),
        }
    }

    fn look_at_file(&self, path: &Path) -> io::Result<Option<Examined>> {
        let mut file = File::open(path)?;
        self.look_at(path, file.metadata()?.len(), &mut file)
    }

    /// `None` if the file is of no interest.
    fn look_at(
        &self,
        path: &Path,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<Option<Examined>> {
        let mut bytes = Vec::new();
        content.take(LARGEST).read_to_end(&mut bytes)?;
        let look = match self.depth {
            Depth::Leaks => Content::leaks_of,
            Depth::All => Content::of,
        };
        let content = look(path, &bytes, self.rules.of(path));
        let private_key = self.keys.line_of_key(&bytes);
        let is_of_interest = private_key.is_some() || !matches!(content, Content::Other);
        Ok(is_of_interest.then(|| Examined {
            path: path.to_owned(),
            size,
            private_key,
            content,
        }))
    }
}
