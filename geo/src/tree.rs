//! The search tree of a MaxMind database while it is built, and how it is written.
//!
//! Networks come in any order from the [`crate::Writer`]; the longest prefix wins. What goes out is the
//! smallest tree that answers the same. Source: <https://maxmind.github.io/MaxMind-DB/>,
//! "Binary Search Tree Section".

use std::io::{self, Write};

use crate::Error;

/// Nodes that fit beside the mark of [`Link`]; 24 GiB of memory would come first.
const MAX_NODES: u32 = Link::DATA - 1;
/// Nothing was said of a network: it answers as the wider one around it.
const INHERIT: u32 = u32::MAX - 1;
/// Octets between the tree and the data section.
pub(crate) const SEPARATOR: u32 = 16;

/// Where a branch leads: a node, the offset of a record, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl Link {
    const DATA: u32 = 1 << 31;
    /// No record.
    pub(crate) const NOTHING: Self = Self(u32::MAX);

    /// To the record at `offset`, below 2^31 - 2.
    pub(crate) const fn data(offset: u32) -> Self {
        Self(offset | Self::DATA)
    }

    fn node(self) -> Option<u32> {
        (self.0 & Self::DATA == 0).then_some(self.0)
    }
}

/// Until [`Tree::settle`], `children` are nodes, 0 where there is none (the root is nobody's child), and
/// `value` is a [`Link`] or [`INHERIT`]; after it, `children` are links and `value` the node's number.
#[derive(Clone, Copy, Debug)]
struct Node {
    children: [u32; 2],
    value: u32,
}

const LEAF: Node = Node { children: [0, 0], value: INHERIT };

/// A binary tree of 128-bit prefixes.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub(crate) fn with_capacity(nodes: usize) -> Self {
        let mut tree = Self { nodes: Vec::with_capacity(nodes.max(1)) };
        tree.nodes.push(LEAF);
        tree
    }

    /// Sets what the first `length` bits of `bits` lead to.
    pub(crate) fn insert(&mut self, bits: u128, length: u8, link: Link) -> Result<(), Error> {
        let mut at = 0_usize;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            at = match self.nodes[at].children[side] {
                0 => {
                    let new = u32::try_from(self.nodes.len()).ok().filter(|&new| new < MAX_NODES);
                    let new = new.ok_or(Error::Full { what: "tree nodes", limit: MAX_NODES })?;
                    self.nodes.push(LEAF);
                    self.nodes[at].children[side] = new;
                    new as usize
                }
                node => node as usize,
            };
        }
        self.nodes[at].value = link.0;
        Ok(())
    }

    /// Pushes records down to where the tree ends, drops nodes whose sides agree, numbers the rest.
    pub(crate) fn settle(mut self) -> SettledTree {
        let root = self.nodes[0];
        let inherited = if root.value == INHERIT { Link::NOTHING } else { Link(root.value) };
        let sides = root.children.map(|child| self.settle_child(child, inherited));
        // The root stays even where both sides agree: the format wants one node at least.
        self.nodes[0].children = sides.map(|link| link.0);
        let count = self.number(0, 0);
        SettledTree { nodes: self.nodes, count }
    }

    /// Recursion is bounded by the length of an address.
    fn settle_child(&mut self, child: u32, inherited: Link) -> Link {
        if child == 0 {
            return inherited;
        }
        let Node { children, value } = self.nodes[child as usize];
        let own = if value == INHERIT { inherited } else { Link(value) };
        let [left, right] = children.map(|child| self.settle_child(child, own));
        if left == right && left.node().is_none() {
            return left;
        }
        self.nodes[child as usize].children = [left.0, right.0];
        Link(child)
    }

    /// Numbers the nodes from `at` in preorder, beginning with `next`; the number after the last.
    fn number(&mut self, at: u32, next: u32) -> u32 {
        self.nodes[at as usize].value = next;
        let children = self.nodes[at as usize].children;
        children
            .into_iter()
            .filter_map(|link| Link(link).node())
            .fold(next + 1, |next, child| self.number(child, next))
    }
}

/// A finished tree.
#[derive(Debug)]
pub(crate) struct SettledTree {
    nodes: Vec<Node>,
    count: u32,
}

impl SettledTree {
    /// Nodes that are written.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// Bits a record needs for `data` octets of data: 24, 28 or 32; `None` when 32 are too few.
    pub(crate) fn record_size(&self, data: u32) -> Option<u16> {
        let most = self.count.checked_add(SEPARATOR)?.checked_add(data)?;
        Some(match most {
            0..0x0100_0000 => 24,
            0x0100_0000..0x1000_0000 => 28,
            _ => 32,
        })
    }

    /// Writes the nodes with records of `record_size` bits.
    pub(crate) fn write(&self, record_size: u16, out: &mut impl Write) -> io::Result<()> {
        self.write_from(0, record_size, out)
    }

    fn write_from(&self, at: u32, record_size: u16, out: &mut impl Write) -> io::Result<()> {
        let children = self.nodes[at as usize].children.map(Link);
        let [left, right] = children.map(|link| self.record(link));
        let (l, r) = (left.to_be_bytes(), right.to_be_bytes());
        match record_size {
            24 => out.write_all(&[l[1], l[2], l[3], r[1], r[2], r[3]])?,
            28 => out.write_all(&[l[1], l[2], l[3], l[0] << 4 | r[0], r[1], r[2], r[3]])?,
            _ => out.write_all(&[l[0], l[1], l[2], l[3], r[0], r[1], r[2], r[3]])?,
        }
        children
            .into_iter()
            .filter_map(Link::node)
            .try_for_each(|child| self.write_from(child, record_size, out))
    }

    fn record(&self, link: Link) -> u32 {
        match link.node() {
            Some(node) => self.nodes[node as usize].value,
            None if link == Link::NOTHING => self.count,
            None => self.count + SEPARATOR + (link.0 & !Link::DATA),
        }
    }
}
