//! Tells memory from disk: by the type of a file's file system, and by where the
//! system puts memory that it wants to use otherwise.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::io;

/// Whether the open file lies on a file system that is memory: tmpfs or ramfs.
/// Elsewhere than on Linux kb knows of none.
///
/// # Errors
/// When the file system cannot be asked.
#[cfg(target_os = "linux")]
pub fn in_memory(file: impl AsFd) -> io::Result<bool> {
    // include/uapi/linux/magic.h
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    let kind = rustix::fs::fstatfs(file)?.f_type;
    // The field's width differs from one architecture to another; the magic
    // numbers have 32 bits.
    let kind = kind as u32;
    Ok(kind == TMPFS || kind == RAMFS)
}

/// Whether the open file lies on a file system that is memory: none that kb
/// knows of here.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn in_memory(_file: impl AsFd) -> io::Result<bool> {
    Ok(false)
}

/// The first swap space that is neither encrypted nor memory itself, as
/// proc_swaps(5) names it: memory may come to lie there, in plaintext.
pub fn plain_swap() -> Option<PathBuf> {
    plain_swap_of(Path::new("/"))
}

fn plain_swap_of(root: &Path) -> Option<PathBuf> {
    let swaps = std::fs::read_to_string(root.join("proc/swaps")).unwrap_or_default();
    let mut names = swaps.lines().skip(1).filter_map(|line| {
        let name = line.split_whitespace().next()?;
        Some(PathBuf::from(name.replace("\\040", " ")))
    });
    names.find(|name| !device_of(root, name).is_some_and(|device| is_safe(root, &device)))
}

/// The name in `/sys/class/block` of a swap device, or of the device that a swap
/// file is on.
fn device_of(root: &Path, swap: &Path) -> Option<String> {
    let path = root.join(swap.strip_prefix("/").unwrap_or(swap));
    let device = if swap.starts_with("/dev") {
        path.canonicalize().ok()?
    } else {
        let device = rustix::fs::stat(&path).ok()?.st_dev;
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let link = root.join(format!("sys/dev/block/{major}:{minor}"));
        link.canonicalize().ok()?
    };
    Some(device.file_name()?.to_str()?.to_owned())
}

/// Whether what is written to a block device is encrypted on the way, or stays
/// in memory.
fn is_safe(root: &Path, device: &str) -> bool {
    let directory = root.join("sys/class/block").join(device);
    let text = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    if device.starts_with("zram") {
        // Compressed memory, unless it has a disk to spill over to.
        return matches!(text("backing_dev").trim(), "" | "none");
    }
    if text("dm/uuid").starts_with("CRYPT-") {
        return true;
    }
    // A volume is as safe as all that it lies on.
    let below = std::fs::read_dir(directory.join("slaves"));
    let below: Vec<_> = below.into_iter().flatten().flatten().collect();
    let name_of = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    !below.is_empty() && below.iter().all(|entry| is_safe(root, &name_of(entry)))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests arrange files")]
mod tests {
    use super::*;

    /// A system with these swap spaces and files.
    fn plain_swap_with(swaps: &[&str], files: &[(&str, &str)]) -> Option<PathBuf> {
        let root = tempfile::tempdir().expect("tempdir");
        let table = swaps.iter().map(|name| format!("{name} x 1 0 -2\n"));
        let table = format!("Filename Type\n{}", table.collect::<String>());
        for (name, text) in files.iter().chain(&[("proc/swaps", table.as_str())]) {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("in a directory")).expect("mkdir");
            std::fs::write(path, text).expect("write");
        }
        plain_swap_of(root.path())
    }

    #[test]
    fn swap_is_told_apart_by_what_it_lies_on() {
        let crypt = ("sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-x");
        let volume = [
            crypt,
            ("sys/class/block/dm-1/dm/uuid", "LVM-x"),
            ("sys/class/block/dm-1/slaves/dm-0", ""),
            ("dev/dm-1", ""),
        ];
        assert_eq!(plain_swap_with(&[], &[]), None);
        assert_eq!(
            plain_swap_with(&["/dev/dm-0"], &[crypt, ("dev/dm-0", "")]),
            None
        );
        assert_eq!(plain_swap_with(&["/dev/dm-1"], &volume), None);
        assert_eq!(plain_swap_with(&["/dev/zram0"], &[("dev/zram0", "")]), None);
        let spills = [
            ("dev/zram0", ""),
            ("sys/class/block/zram0/backing_dev", "/dev/sda\n"),
        ];
        assert_eq!(
            plain_swap_with(&["/dev/zram0"], &spills),
            Some("/dev/zram0".into())
        );
        let plain = [
            crypt,
            ("dev/dm-0", ""),
            ("dev/sda2", ""),
            ("sys/class/block/sda2/size", "1"),
        ];
        assert_eq!(
            plain_swap_with(&["/dev/dm-0", "/dev/sda2"], &plain),
            Some("/dev/sda2".into())
        );
        // Where nothing can be told, it is better to warn.
        assert_eq!(
            plain_swap_with(&["/swap\\040file"], &[]),
            Some("/swap file".into())
        );
    }
}
