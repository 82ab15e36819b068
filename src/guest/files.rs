//! Files by WASI, below the standard library: of the latter only what is called ends up in the module, but that is much.

#![expect(unsafe_code, reason = "WASI below the standard library")]

use once_cell::race::OnceBox;
use wasip1::{Errno, Fd};

use super::state::Folder;

/// A shard's file is far smaller, and whatever lies in its place is not read without end.
const LONGEST: usize = 64 << 20;

/// A folder that the host gives access to.
pub struct Root {
    /// Its descriptor.
    pub fd: Fd,
    /// The name that the host gives it.
    pub name: String,
}

/// The host's `accessible_paths`, in its order. They stay the same for as long as the module lives.
pub fn roots() -> &'static [Root] {
    // Unlike a lock, this one is still usable after a trap.
    static ROOTS: OnceBox<Vec<Root>> = OnceBox::new();
    ROOTS.get_or_init(|| {
        let mut roots = Vec::new();
        for fd in wasip1::FD_STDERR + 1.. {
            // SAFETY: the call takes a number only, and the union has one variant.
            let Ok(length) = (unsafe { wasip1::fd_prestat_get(fd).map(|prestat| prestat.u.dir.pr_name_len) }) else {
                break;
            };
            let mut name = vec![0; length];
            // SAFETY: the buffer is as long as it says.
            if unsafe { wasip1::fd_prestat_dir_name(fd, name.as_mut_ptr(), length) }.is_ok() {
                // Some hosts count a NUL at the end.
                let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
                roots.push(Root { fd, name });
            }
        }
        Box::new(roots)
    })
}

/// Reads a file; of one that is too long, a little more than the limit.
pub fn read(root: Fd, path: &str, limit: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    parts(root, path, |part| {
        bytes.extend_from_slice(part);
        bytes.len() <= limit
    })?;
    Ok(bytes)
}

/// Gives the lines of a file to `take`, one after the other: whatever is longer than the buffer is several.
pub fn lines(root: Fd, path: &str, mut take: impl FnMut(&[u8])) -> Result<(), Errno> {
    let mut begun = Vec::new();
    parts(root, path, |part| {
        let mut rest = part;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end).unwrap_or_default();
            if begun.is_empty() {
                take(line);
            } else {
                begun.extend_from_slice(line);
                take(&begun);
                begun.clear();
            }
            rest = after.get(1..).unwrap_or_default();
        }
        if begun.len() + rest.len() > PART {
            take(&begun);
            begun.clear();
        }
        begun.extend_from_slice(rest);
        true
    })?;
    take(&begun);
    Ok(())
}

/// How much of a file is read at once.
const PART: usize = 16 << 10;

/// Gives the parts of a file to `take`, until that has enough.
fn parts(root: Fd, path: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Errno> {
    let (follow, rights) = (wasip1::LOOKUPFLAGS_SYMLINK_FOLLOW, wasip1::RIGHTS_FD_READ);
    // SAFETY: the call only reads the path.
    let fd = unsafe { wasip1::path_open(root, follow, path, 0, rights, 0, 0) }?;
    let mut buffer = vec![0; PART];
    let iovec = wasip1::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() };
    let result = loop {
        // SAFETY: the buffer is as long as it says.
        match unsafe { wasip1::fd_read(fd, &[iovec]) } {
            Ok(0) => break Ok(()),
            Ok(length) if take(buffer.get(..length).unwrap_or_default()) => {}
            Ok(_) => break Ok(()),
            Err(errno) => break Err(errno),
        }
    };
    // SAFETY: the descriptor is ours, and nothing refers to it any more.
    let _ = unsafe { wasip1::fd_close(fd) };
    result
}

fn write(root: Fd, path: &str, mut bytes: &[u8]) -> Result<(), Errno> {
    let flags = wasip1::OFLAGS_CREAT | wasip1::OFLAGS_TRUNC;
    // SAFETY: the call only reads the path.
    let fd = unsafe { wasip1::path_open(root, 0, path, flags, wasip1::RIGHTS_FD_WRITE, 0, 0) }?;
    let mut result = Ok(());
    while !bytes.is_empty() && result.is_ok() {
        let iovec = wasip1::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() };
        // SAFETY: the buffer is as long as it says.
        match unsafe { wasip1::fd_write(fd, &[iovec]) } {
            Ok(0) => result = Err(wasip1::ERRNO_NOSPC),
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(errno) => result = Err(errno),
        }
    }
    // SAFETY: the descriptor is ours, and nothing refers to it any more.
    let closed = unsafe { wasip1::fd_close(fd) };
    result.and(closed)
}

/// A folder below one that the host gives access to.
pub struct Below {
    root: &'static Root,
    /// The path from there; empty for the folder itself.
    path: String,
}

impl Below {
    /// The folder at a path.
    pub fn new(root: &'static Root, path: &str) -> Self {
        Self { root, path: path.to_owned() }
    }

    fn to(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }
}

impl Folder for Below {
    fn path(&self) -> String {
        let path = format!("{}/{}", self.root.name.trim_end_matches('/'), self.path);
        path.trim_end_matches('/').to_owned()
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        read(self.root.fd, &self.to(name), LONGEST).ok()
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let (to, fd) = (self.to(name), self.root.fd);
        let new = format!("{to}.new");
        // SAFETY: the call only reads the paths.
        let replaced = write(fd, &new, bytes).and_then(|()| unsafe { wasip1::path_rename(fd, &new, fd, &to) });
        replaced.map_err(|errno| format!("cannot write {name}: {}", errno.name()))
    }

    fn make(&self) {
        for (end, _) in self.path.match_indices('/').chain([(self.path.len(), "")]) {
            let folder = self.path.get(..end).unwrap_or_default();
            // SAFETY: the call only reads the path.
            let _ = unsafe { wasip1::path_create_directory(self.root.fd, folder) };
        }
    }
}
