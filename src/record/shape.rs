//! Which members of a JSON text are wanted: a set of JSON Pointers, compiled for the scanner.
//!
//! The pointers are those of [RFC 6901], with one addition: a `*` segment stands for every element of an array.
//!
//! [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901

use super::text::same;

/// One wanted member of a [`Shape`]: its place in the list that the shape was made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(pub u16);

/// Declares the [`Key`]s of a shape beside their JSON Pointers, and the list to make it from.
macro_rules! keys {
    ($(#[$doc:meta])* $list:ident { $($(#[$key_doc:meta])* $name:ident = $pointer:literal,)* }) => {
        $crate::record::shape::keys!(@count 0u16, $($(#[$key_doc])* $name)*);
        $(#[$doc])*
        pub const $list: &[&str] = &[$($pointer),*];
    };
    (@count $n:expr, $(#[$doc:meta])* $name:ident $($rest:tt)*) => {
        $(#[$doc])*
        pub const $name: $crate::record::Key = $crate::record::Key($n);
        $crate::record::shape::keys!(@count $n + 1, $($rest)*);
    };
    (@count $n:expr,) => {};
}
pub(crate) use keys;

/// A compiled set of JSON Pointers.
///
/// ```
/// use tidewaiter::record::{Key, Scanner, Shape};
///
/// let shape = Shape::new(&["/Type", "/spec/containers/*/image"]);
/// let mut scanner = Scanner::default();
/// let fields = scanner.scan(&shape, br#"{"spec":{"containers":[{"image":"nginx"},{"image":"redis"}]}}"#)?;
/// let images: Vec<_> = fields.each(Key(1)).filter_map(|(_, value)| value.text()).collect();
/// assert_eq!(images.len(), 2);
/// assert_eq!(images[1].as_bytes(), b"redis");
/// # Ok::<(), tidewaiter::record::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Shape {
    nodes: Vec<Node>,
    keys: usize,
}

/// The index of a node in its shape.
pub(super) type NodeId = u16;

/// The node of the whole text.
pub(super) const ROOT: NodeId = 0;

/// A value that is on the way to a wanted one, or is one.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// What the value is called, when it is itself wanted.
    pub key: Option<Key>,
    /// Whether the value stands inside an array of the shape.
    pub in_array: bool,
    /// Whether every value of a repeated name is kept, in place of the last one.
    pub all: bool,
    /// Whether the key stays out of [`Fields::found`](super::Fields::found).
    pub passing: bool,
    /// The node of every element, when the value is an array.
    pub each: Option<NodeId>,
    /// The members, hashed by name: a power of two of places, at most half of them taken.
    members: Vec<Member>,
}

#[derive(Debug, Clone, Default)]
struct Member {
    /// The first eight bytes of the name, little-endian, padded with zeros.
    head: u64,
    name: Box<[u8]>,
    node: NodeId,
}

impl Node {
    /// Whether any member of the value is wanted.
    pub fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// The member of that name. `head` is what [`head`] gives for it.
    pub fn member(&self, name: &[u8], head: u64) -> Option<NodeId> {
        self.find(name.len(), head, |member| name.len() <= 8 || same(member, name))
    }

    /// The member of a name of that length and head, if the rest of it is the same too.
    #[inline(always)]
    pub fn find(&self, length: usize, head: u64, is_same: impl Fn(&[u8]) -> bool) -> Option<NodeId> {
        let mask = self.members.len().checked_sub(1)?;
        let mut place = place(head);
        loop {
            let member = self.members.get(place & mask)?;
            if member.name.is_empty() {
                return None;
            }
            if member.head == head && member.name.len() == length && is_same(&member.name) {
                return Some(member.node);
            }
            place += 1;
        }
    }
}

/// The first eight bytes of a member's name as one word: names of up to eight bytes are told apart by it alone.
#[inline]
pub(super) fn head(name: &[u8]) -> u64 {
    let mut word = 0;
    for (i, &byte) in name.iter().take(8).enumerate() {
        word |= u64::from(byte) << (8 * i);
    }
    word
}

/// Fibonacci hashing: the high bits of the product are the well-mixed ones.
#[inline(always)]
fn place(head: u64) -> usize {
    (head.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize
}

impl Shape {
    /// Compiles the pointers; the [`Key`] of each is its place in the list. Two equal pointers share the later key.
    #[must_use]
    pub fn new<S: AsRef<str>>(pointers: &[S]) -> Self {
        let mut shape = Self { nodes: vec![Node::default()], keys: pointers.len() };
        for (pointer, key) in pointers.iter().zip(0..) {
            let mut at = ROOT;
            for segment in pointer.as_ref().split('/').skip(1) {
                at = shape.grow(at, segment);
            }
            if let Some(node) = shape.nodes.get_mut(usize::from(at)) {
                node.key = Some(Key(key));
            }
        }
        shape
    }

    /// Keeps every value of a key whose name an object repeats, for [`Fields::members`](super::Fields::members).
    pub fn keep_all(&mut self, key: Key) {
        for node in self.nodes.iter_mut().filter(|node| node.key == Some(key)) {
            node.all = true;
        }
    }

    /// Leaves a key out of [`Fields::found`](super::Fields::found).
    pub fn pass(&mut self, key: Key) {
        for node in self.nodes.iter_mut().filter(|node| node.key == Some(key)) {
            node.passing = true;
        }
    }

    /// How many keys the shape has.
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    /// How many nodes the shape has.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline(always)]
    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::from(id))
    }

    /// The nodes directly below one.
    pub(super) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.node(id).into_iter().flat_map(|node| {
            let members = node.members.iter().filter(|member| !member.name.is_empty());
            members.map(|member| member.node).chain(node.each)
        })
    }

    /// The node below `at` for a segment, made when there is none yet.
    fn grow(&mut self, at: NodeId, segment: &str) -> NodeId {
        let name = unescaped(segment);
        let name = name.as_slice();
        let new = NodeId::try_from(self.nodes.len()).unwrap_or(NodeId::MAX);
        let Some(parent) = self.nodes.get_mut(usize::from(at)) else { return at };
        let known = if segment == "*" { parent.each } else { parent.member(name, head(name)) };
        if let Some(known) = known {
            return known;
        }
        let in_array = parent.in_array || segment == "*";
        if segment == "*" {
            parent.each = Some(new);
        } else {
            parent.add(Member { head: head(name), name: name.into(), node: new });
        }
        self.nodes.push(Node { in_array, ..Node::default() });
        new
    }
}

/// A segment without the escapes of RFC 6901: `~1` is a slash, `~0` a tilde.
fn unescaped(segment: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'~' if bytes.next() == Some(b'1') => b'/',
            byte => byte,
        });
    }
    name
}

impl Node {
    fn add(&mut self, member: Member) {
        let mut members: Vec<_> = self.members.drain(..).filter(|member| !member.name.is_empty()).collect();
        members.push(member);
        let size = (members.len() * 2).next_power_of_two();
        self.members = vec![Member::default(); size];
        for member in members {
            let mut at = place(member.head);
            while let Some(free) = self.members.get_mut(at & (size - 1)) {
                if free.name.is_empty() {
                    *free = member;
                    break;
                }
                at += 1;
            }
        }
    }
}
