//! Loose objects: one file each, which is how git stores what was just added. Reading
//! thousands of them takes less time than asking a git process for them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use flate2::bufread::ZlibDecoder;

/// Larger objects, in bytes, are left to git, which hands them over piece by piece.
const LARGEST: u64 = 32 << 20;
/// `blob`, a space, a size of at most 20 digits, NUL.
const LONGEST_HEADER: u64 = 26;

/// The directory of a repository's objects.
#[derive(Clone, Debug)]
pub(super) struct Loose {
    directory: PathBuf,
}

impl Loose {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The content of the blob of this name; `None` if git has to be asked for it: it lies
    /// in a pack, elsewhere or nowhere, it is large, or it is damaged.
    ///
    /// The file is `blob SIZE`, NUL and the content, deflated (gitformat-loose(5)).
    pub(super) fn blob(&self, name: &str) -> Option<Vec<u8>> {
        let (first, rest) = name.split_at_checked(2)?;
        let file = File::open(self.directory.join(first).join(rest)).ok()?;
        let inflated = ZlibDecoder::new(BufReader::with_capacity(1 << 14, file));
        let mut inflated = BufReader::with_capacity(1 << 14, inflated);
        let mut header = Vec::new();
        inflated
            .by_ref()
            .take(LONGEST_HEADER)
            .read_until(0, &mut header)
            .ok()?;
        let size = header.strip_prefix(b"blob ")?.strip_suffix(b"\0")?;
        let size: u64 = str::from_utf8(size).ok()?.parse().ok()?;
        if size > LARGEST {
            return None;
        }
        let mut content = Vec::with_capacity(usize::try_from(size).ok()?);
        inflated.take(size + 1).read_to_end(&mut content).ok()?;
        (content.len() as u64 == size).then_some(content)
    }
}
