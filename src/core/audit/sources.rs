//! Which files there are, and their content: those of the working tree, or those of
//! the index, which are what a commit would take.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::content::FileContent;
use super::ignored::{self, IgnoreChange, Ignored};
use super::keys::KeyFinder;
use super::lost::lost_rules;
use super::{Audit, AuditError, Examined};
use crate::core::encrypted::LARGEST;
use crate::core::git::{BlobError, Git, IndexEntry};
use crate::core::parallel;
use crate::core::regular_file;
use crate::core::replace::is_temporary;
use crate::core::repository::{self, FoundConfig, MISNAMED};
use crate::core::rules::Rules;
use crate::core::scan::{KeptTexts, is_gone, path_of};
use crate::core::sops_config::{ConfigError, FILE_NAME, PathForm, SopsConfig};

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

/// How files are looked at.
#[derive(Clone, Copy, Debug)]
pub struct AuditOptions<'a> {
    /// What is of interest.
    pub depth: Depth,
    /// Files and directories that are passed over.
    pub skip: &'a [PathBuf],
    /// The config that was named.
    pub named: Option<&'a FoundConfig>,
    /// Whether `.kbignore` counts.
    pub ignores: bool,
}

/// Looks at files of the working tree. `paths`: these, and what is below them; without
/// any, all of the repository at `root`. `git` tells which files there are; without it,
/// all count.
///
/// # Errors
/// [`AuditError::Git`], [`AuditError::Missing`]
pub fn working_tree(
    look: AuditOptions<'_>,
    root: &Path,
    git: Option<&Git>,
    paths: &[PathBuf],
) -> Result<Audit, AuditError> {
    let AuditOptions {
        depth,
        skip,
        named,
        ignores,
    } = look;
    let FileList {
        named: named_files,
        listed,
        mut unread,
    } = files_of(root, git, paths)?;
    let mut files = listed;
    files.extend(named_files.iter().cloned());
    files.retain(|path| !is_skipped(path, skip));
    // Part by part, as `kustomize` looks for what is below a directory.
    files.sort();
    files.dedup();
    unread.retain(|(path, _)| !is_skipped(path, skip));
    let named = named.map(|named| as_from(root, named));
    let rules = rules(&files, named, read_config, |directory| {
        let path = directory.join(MISNAMED);
        let is_ours = directory.starts_with(root) && !is_skipped(&path, skip);
        (is_ours && path.is_file()).then_some(path)
    });
    let lines = std::fs::read(root.join(ignored::FILE_NAME));
    let ignored = match lines {
        Ok(lines) if ignores => Ignored::new(root, &lines),
        Err(error) if ignores && error.kind() != io::ErrorKind::NotFound => {
            unread.push((root.join(ignored::FILE_NAME), error));
            Ignored::nothing()
        }
        _ => Ignored::nothing(),
    };
    let looker = FileAuditor::new(&rules, depth, &ignored);
    let looked = parallel::map(&files, |path| {
        looker.look_at_file(path, named_files.contains(path))
    });
    let mut found = Vec::new();
    let mut there = Vec::with_capacity(files.len());
    for (path, result) in files.into_iter().zip(looked) {
        match result {
            Ok(Looked::Other) => continue,
            Ok(Looked::File(file)) => found.extend(file),
            // Git lists what was deleted, too.
            Err(error) if is_gone(&error) => continue,
            Err(error) => unread.push((path.clone(), error)),
        }
        there.push(path);
    }
    let files = there;
    let mut audit = Audit {
        rules,
        files: found,
        ignored: files
            .iter()
            .filter(|path| ignored.has(path))
            .cloned()
            .collect(),
        ignore_change: None,
        unmerged: Vec::new(),
        paths: files,
        unread,
        lost_rules: HashMap::new(),
    };
    if let Some(git) = git {
        audit.lost_rules = lost_rules(&audit, git, false)?;
    }
    Ok(audit)
}

/// Looks at what would be committed: the files whose content in the index is another
/// than in the last commit; all of the index, if a `.sops.yaml` is among them. The
/// rules are those of the index as well; those of the working tree only where the index
/// has no `.sops.yaml` at all, because it was not added yet.
///
/// # Errors
/// [`AuditError::Git`], [`AuditError::Blob`]
pub fn index(git: &Git, look: AuditOptions<'_>) -> Result<Audit, AuditError> {
    let AuditOptions { skip, named, .. } = look;
    let root = git.root();
    let is_called = |path: &Path, called: &str| path.file_name().is_some_and(|name| name == called);
    let is_ignore_file = |path: &Path| path == Path::new(ignored::FILE_NAME);
    let (staged, all) = git.staged_and_index()?;
    let named = named.map(|named| as_from(root, named));
    let named_config = named.as_ref().map(|(named, _)| &named.path);
    let configs: Vec<IndexEntry> = all
        .iter()
        .filter(|entry| {
            is_called(&entry.path, FILE_NAME)
                || named_config.is_some_and(|named| *named == root.join(&entry.path))
        })
        .cloned()
        .collect();
    let misnamed = all.iter().filter(|entry| is_called(&entry.path, MISNAMED));
    let misnamed: BTreeSet<PathBuf> = misnamed.map(|it| root.join(&it.path)).collect();
    let mut configs = read_configs(git, configs)?;
    let has_configs = !configs.is_empty();
    let changed = || {
        let changed = staged.entries.iter().map(|entry| &entry.path);
        changed.chain(&staged.removed)
    };
    let changes_rules = changed().any(|path| is_called(path, FILE_NAME));
    let changes_ignored = look.ignores && changed().any(|path| is_ignore_file(path));
    let ignored = if look.ignores {
        let mut entries = all.iter();
        let entry = entries.find(|entry| !entry.is_link && is_ignore_file(&entry.path));
        ignored_in_index(git, entry)?
    } else {
        Ignored::nothing()
    };
    let ignore_change = changes_ignored.then(|| {
        let files = staged.entries.iter().map(|entry| root.join(&entry.path));
        IgnoreChange {
            files: files.filter(|path| ignored.has(path)).collect(),
        }
    });
    let unmerged = staged.unmerged.iter().map(|path| root.join(path)).collect();
    let mut entries = match changes_rules || changes_ignored {
        true => all,
        false => staged.entries,
    };
    entries.retain(|entry| !entry.is_link && !is_skipped(&root.join(&entry.path), skip));
    let paths: Vec<PathBuf> = entries.iter().map(|entry| root.join(&entry.path)).collect();
    let load = |path: &Path| match configs.remove(path) {
        Some(Some(bytes)) => Some(SopsConfig::from_bytes(path, bytes)),
        // What a link leads to may be anywhere.
        Some(None) => read_config(path),
        // Above the repository there is no index.
        None if path.starts_with(root) && has_configs => None,
        None => read_config(path),
    };
    let rules = rules(&paths, named, load, |directory| {
        let path = directory.join(MISNAMED);
        (misnamed.contains(&path) && !is_skipped(&path, skip)).then_some(path)
    });
    let workers = (entries.len() / FEWEST_BLOBS + 1).min(parallel::cores());
    let parts: Vec<&[IndexEntry]> = entries
        .chunks(entries.len().div_ceil(workers).max(1))
        .collect();
    let looker = FileAuditor::new(&rules, look.depth, &ignored);
    let looked = parallel::map(&parts, |part| {
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        git.contents(part, |path, size, content| {
            let path = root.join(path);
            match looker.look_at(&path, size, content) {
                Ok(file) => found.extend(file),
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    unread.push((path, error));
                }
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok::<_, BlobError>((found, unread))
    });
    let mut audit = Audit {
        rules,
        files: Vec::new(),
        ignored: paths
            .iter()
            .filter(|path| ignored.has(path))
            .cloned()
            .collect(),
        ignore_change,
        unmerged,
        paths,
        unread: Vec::new(),
        lost_rules: HashMap::new(),
    };
    for part in looked {
        let (found, unread) = part?;
        audit.files.extend(found);
        audit.unread.extend(unread);
    }
    audit.files.sort_by(|a, b| a.path.cmp(&b.path));
    audit.lost_rules = lost_rules(&audit, git, true)?;
    Ok(audit)
}

/// What the `.kbignore` of the index leaves out, which is this entry, if it is there.
fn ignored_in_index(git: &Git, entry: Option<&IndexEntry>) -> Result<Ignored, AuditError> {
    let mut ignored = Ignored::nothing();
    if let Some(entry) = entry {
        git.contents(std::slice::from_ref(entry), |_, _, content| {
            let mut lines = Vec::new();
            content.read_to_end(&mut lines)?;
            ignored = Ignored::new(git.root(), &lines);
            Ok(())
        })?;
    }
    Ok(ignored)
}

/// These configs of the index, by their absolute paths; `None` for one that is a link.
fn read_configs(
    git: &Git,
    configs: Vec<IndexEntry>,
) -> Result<HashMap<PathBuf, Option<Vec<u8>>>, AuditError> {
    let root = git.root();
    let (links, files): (Vec<IndexEntry>, Vec<IndexEntry>) =
        configs.into_iter().partition(|entry| entry.is_link);
    let links = links.into_iter().map(|entry| (root.join(entry.path), None));
    let mut configs: HashMap<PathBuf, Option<Vec<u8>>> = links.collect();
    git.contents(&files, |path, _, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        configs.insert(root.join(path), Some(bytes));
        Ok(())
    })?;
    Ok(configs)
}

/// A config that was named, as a walk from the root comes to it: so are the files that
/// its rules are for; and what their paths look like to it.
fn as_from(root: &Path, named: &FoundConfig) -> (FoundConfig, PathForm) {
    match repository::below(&[root.to_owned()], &named.path) {
        Some(path) => {
            let base = path.parent().unwrap_or(root).to_owned();
            let paths = match base == root {
                true => PathForm::Relative,
                false => PathForm::Either,
            };
            let found = FoundConfig { path, base };
            (found, paths)
        }
        None => {
            let paths = match root.starts_with(&named.base) {
                true => PathForm::Relative,
                false => PathForm::Absolute,
            };
            (named.clone(), paths)
        }
    }
}

fn is_skipped(path: &Path, skip: &[PathBuf]) -> bool {
    skip.iter().any(|skip| path.starts_with(skip))
}

/// The paths that are looked at, absolute.
#[derive(Default)]
struct FileList {
    /// Files, or links to some.
    named: HashSet<PathBuf>,
    /// Whatever is below directories. A link among them is not followed.
    listed: Vec<PathBuf>,
    /// Directories that cannot be read.
    unread: Vec<(PathBuf, io::Error)>,
}

fn files_of(root: &Path, git: Option<&Git>, paths: &[PathBuf]) -> Result<FileList, AuditError> {
    let mut files = FileList::default();
    let mut directories = Vec::new();
    for path in paths {
        let kind = path.metadata().map(|it| it.file_type());
        match kind {
            Ok(kind) if kind.is_dir() => directories.push(match path.is_symlink() {
                true => path.canonicalize().unwrap_or_else(|_| path.clone()),
                false => path.clone(),
            }),
            // What was named is looked at, ignored or not, a link or not.
            Ok(kind) if kind.is_file() => drop(files.named.insert(path.clone())),
            Ok(_) => {
                let error = io::Error::other("it is a pipe or a device");
                files.unread.push((path.clone(), error));
            }
            Err(_) => return Err(AuditError::Missing { path: path.clone() }),
        }
    }
    if paths.is_empty() {
        directories.push(root.to_owned());
    }
    for directory in directories {
        let known = match (git, directory.strip_prefix(root)) {
            (Some(git), Ok(inner)) => files.add_listed(root, git, inner)?,
            _ => false,
        };
        // A directory that Git knows nothing of was named all the same.
        if !known && (git.is_none() || !paths.is_empty()) {
            files.add_all(&directory);
        }
    }
    Ok(files)
}

impl FileList {
    /// Those that Git knows below a directory of the repository, and whether there are
    /// any.
    fn add_listed(&mut self, root: &Path, git: &Git, inner: &Path) -> Result<bool, AuditError> {
        let below = [inner.to_owned()];
        let is_root = inner.as_os_str().is_empty();
        let listed = git.working_tree(if is_root { &[] } else { &below })?;
        let unread = listed.unread.into_iter().map(|path| {
            let error = io::Error::other("git could not open it");
            (root.join(path), error)
        });
        self.unread.extend(unread);
        let before = self.listed.len();
        let below = listed.files.into_iter();
        self.listed.extend(below.map(|path| root.join(path)));
        // Git lists what was deleted, too.
        let is_there = |path: &PathBuf| match path.symlink_metadata() {
            Ok(found) => found.is_file(),
            Err(error) => !is_gone(&error),
        };
        Ok(self.listed[before..].iter().any(is_there))
    }

    /// All below the directory, without other people's repositories in it.
    fn add_all(&mut self, directory: &Path) {
        let top = directory.to_owned();
        let walk = WalkBuilder::new(directory)
            .standard_filters(false)
            .filter_entry(move |entry| {
                entry.file_name() != ".git"
                    && (entry.path() == top || !entry.path().join(".git").exists())
            })
            .build();
        for entry in walk {
            match entry {
                Ok(entry) => self.listed.push(entry.into_path()),
                Err(error) => {
                    let path = path_of(&error).unwrap_or(directory).to_owned();
                    self.unread.push((path, io::Error::other(error)));
                }
            }
        }
    }
}

fn read_config(path: &Path) -> Option<Result<SopsConfig, ConfigError>> {
    let is_there = path.symlink_metadata().is_ok();
    is_there.then(|| SopsConfig::load(path))
}

/// The rules of the files; `load` reads the config at a path, `misnamed` finds one of a
/// name that sops does not read.
fn rules(
    files: &[PathBuf],
    named: Option<(FoundConfig, PathForm)>,
    mut load: impl FnMut(&Path) -> Option<Result<SopsConfig, ConfigError>>,
    misnamed: impl Fn(&Path) -> Option<PathBuf>,
) -> Rules {
    if let Some((named, paths)) = named {
        // One that is not there is an error of its own.
        let config = load(&named.path).unwrap_or_else(|| SopsConfig::load(&named.path));
        return Rules::named(config, named.base, paths);
    }
    // Most files follow one of the same directory.
    let mut directories: Vec<&Path> = files.iter().filter_map(|path| path.parent()).collect();
    directories.dedup_by(|a, b| a.as_os_str() == b.as_os_str());
    let directories: BTreeSet<&Path> = directories.into_iter().collect();
    let load = |directory: &Path| load(&directory.join(FILE_NAME));
    Rules::of_directories(directories, load, misnamed)
}

/// What became of a path.
enum Looked {
    /// A file; nothing of one that is of no interest.
    File(Option<Examined>),
    /// A link, or something else that is not a file.
    Other,
}

/// What looks at a file.
struct FileAuditor<'r> {
    rules: &'r Rules,
    depth: Depth,
    ignored: &'r Ignored,
    keys: KeyFinder,
    kept: KeptTexts,
}

impl<'r> FileAuditor<'r> {
    fn new(rules: &'r Rules, depth: Depth, ignored: &'r Ignored) -> Self {
        Self {
            rules,
            depth,
            ignored,
            keys: KeyFinder::new(),
            kept: KeptTexts::default(),
        }
    }

    /// `follows`: also what a link leads to.
    fn look_at_file(&self, path: &Path, follows: bool) -> io::Result<Looked> {
        let bytes = match follows {
            true => Some(regular_file::read(path, LARGEST)?),
            false => regular_file::read_unless_other(path, LARGEST)?,
        };
        Ok(match bytes {
            None => Looked::Other,
            Some(bytes) => Looked::File(self.look_at_bytes(path, &bytes)),
        })
    }

    /// Whether one more text of this length is kept, for who opens the files next.
    fn keeps(&self, length: usize) -> bool {
        self.depth == Depth::All && self.kept.takes(length)
    }

    /// As [`Self::look_at_bytes`], for content that is still to be read.
    fn look_at(
        &self,
        path: &Path,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<Option<Examined>> {
        if size > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = Vec::new();
        content.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(self.look_at_bytes(path, &bytes))
    }

    /// `None` if the file is of no interest.
    fn look_at_bytes(&self, path: &Path, bytes: &[u8]) -> Option<Examined> {
        let look = match self.depth {
            Depth::Leaks => FileContent::problems_of,
            Depth::All => FileContent::of,
        };
        let mut content = look(path, bytes, self.rules.of(path).matching());
        if let FileContent::Encrypted(found) = &mut content
            && !self.keeps(bytes.len())
        {
            found.file.forget_text();
        }
        // kb's own temporary files are of a run that lives or was killed: nobody says who
        // may read what is encrypted in them.
        let is_own = path.file_name().is_some_and(is_temporary);
        let content = match content {
            FileContent::Encrypted(_) | FileContent::Damaged(_) if is_own => FileContent::Other,
            content => content,
        };
        let private_key = self.keys.line_of_key(bytes);
        let is_of_interest = private_key.is_some() || !matches!(content, FileContent::Other);
        is_of_interest.then(|| Examined {
            path: path.to_owned(),
            size: bytes.len() as u64,
            private_key,
            content,
            is_ignored: self.ignored.has(path),
        })
    }
}
