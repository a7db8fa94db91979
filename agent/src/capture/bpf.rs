//! Classic BPF programs (S. McCanne and V. Jacobson, 1993): the filter of the config, as `tcpdump -ddd` prints it,
//! checked and composed here, run by the kernel for every frame before it takes room in the ring.
//!
//! The kernel takes the outermost VLAN tag out of a received frame before the filter sees it. So `tcp port 80` also
//! matches tagged frames, and a filter on `vlan` must be compiled for an interface (`tcpdump -i eth0 -ddd vlan 7`) to
//! look where the tag is kept.

mod compose;

pub use compose::OwnConnection;

/// Most instructions of a program: the kernel's `BPF_MAXINSNS`.
pub const MAX_INSTRUCTIONS: usize = 4_096;
/// Words of scratch memory: the kernel's `BPF_MEMWORDS`.
const MEMORY_WORDS: u32 = 16;
/// Octets of a wrong line that an error repeats.
const QUOTE: usize = 40;

/// One instruction, laid out as the kernel's `sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A program that has passed the checks: known operations, jumps inside, returns at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text does not begin with a count.
    #[error("filter: it begins with {0:?}, not with a count: give the output of `tcpdump -ddd EXPRESSION`")]
    NoCount(String),
    /// The count and the instructions disagree.
    #[error("filter: says {said} instructions and has {found}: give the whole output of `tcpdump -ddd`")]
    Count {
        /// The count on the first line.
        said: usize,
        /// Instructions that follow.
        found: usize,
    },
    /// The program is longer than the kernel takes.
    #[error("filter: {0} instructions, and the kernel takes {MAX_INSTRUCTIONS}: choose a simpler expression")]
    TooLong(usize),
    /// The text has no instructions.
    #[error("filter: no instructions: give the output of `tcpdump -ddd EXPRESSION`")]
    Empty,
    /// One instruction is wrong.
    #[error("filter, line {line}: {problem}")]
    Instruction {
        /// Line of the text, from 1.
        line: usize,
        /// What is wrong.
        problem: Problem,
    },
}

/// What is wrong with an instruction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is not four numbers in range.
    #[error("{0:?} is not `code jt jf k`, four numbers with jt and jf up to 255")]
    Form(String),
    /// The operation does not exist.
    #[error("operation {0} does not exist in classic BPF")]
    Operation(u16),
    /// A jump leaves the program.
    #[error("a jump leaves the program")]
    Jump,
    /// Division by zero, a shift past 31, or a memory word past 15.
    #[error("operand {0} is out of range for the operation")]
    Operand(u32),
    /// The accumulator is returned, so that the snaplen cannot be bounded.
    #[error("`ret a` is not supported: return a number")]
    ReturnAccumulator,
    /// The last instruction does not return.
    #[error("the last instruction does not return")]
    NoReturn,
}

impl Program {
    /// Accepts every frame, cut to `snaplen` octets.
    #[must_use]
    pub fn accept_all(snaplen: u32) -> Self {
        Self(vec![Instruction { code: RET_K, jt: 0, jf: 0, k: snaplen }])
    }

    /// Accepts nothing.
    #[must_use]
    pub fn drop_all() -> Self {
        Self::accept_all(0)
    }

    /// Parses the output of `tcpdump -ddd`: a count, then as many `code jt jf k`, on lines of their own or separated
    /// by commas.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut items = text
            .lines()
            .enumerate()
            .flat_map(|(at, line)| line.split(',').map(move |item| (at + 1, item.trim())))
            .filter(|(_, item)| !item.is_empty());
        let (_, first) = items.next().ok_or(Error::Empty)?;
        let said: usize = first.parse().map_err(|_| Error::NoCount(quote(first)))?;
        if said > MAX_INSTRUCTIONS {
            return Err(Error::TooLong(said));
        }
        let mut lines = Vec::with_capacity(said);
        let mut code = Vec::with_capacity(said);
        let mut found = 0;
        for (line, item) in items {
            found += 1;
            if found <= said {
                code.push(instruction(item).ok_or_else(|| {
                    let problem = Problem::Form(quote(item));
                    Error::Instruction { line, problem }
                })?);
                lines.push(line);
            }
        }
        if said != found {
            return Err(Error::Count { said, found });
        }
        check(&code).map_err(|(at, problem)| Error::Instruction {
            line: lines.get(at).copied().unwrap_or(1),
            problem,
        })?;
        if code.is_empty() { Err(Error::Empty) } else { Ok(Self(code)) }
    }

    /// The same verdicts with frames cut to at most `snaplen` octets.
    #[must_use]
    pub fn with_snaplen(mut self, snaplen: u32) -> Self {
        for instruction in self.0.iter_mut().filter(|instruction| instruction.code == RET_K) {
            instruction.k = instruction.k.min(snaplen);
        }
        self
    }

    /// The instructions, in order.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

pub(crate) const RET_K: u16 = 0x06;
const RET_A: u16 = 0x16;
const JUMP_ALWAYS: u16 = 0x05;

fn quote(text: &str) -> String {
    text.chars().take(QUOTE).collect()
}

fn instruction(item: &str) -> Option<Instruction> {
    let mut fields = item.split_ascii_whitespace();
    let code = fields.next()?.parse().ok()?;
    let jt = fields.next()?.parse().ok()?;
    let jf = fields.next()?.parse().ok()?;
    let k = fields.next()?.parse().ok()?;
    fields.next().is_none().then_some(Instruction { code, jt, jf, k })
}

/// The checks of the kernel's `bpf_check_classic`, made here for the sake of the message.
fn check(code: &[Instruction]) -> Result<(), (usize, Problem)> {
    for (at, instruction) in code.iter().enumerate() {
        check_one(*instruction, code.len() - at - 1).map_err(|problem| (at, problem))?;
    }
    match code.last() {
        Some(last) if last.code != RET_K => Err((code.len() - 1, Problem::NoReturn)),
        _ => Ok(()),
    }
}

/// `after` is the number of instructions that follow.
fn check_one(instruction: Instruction, after: usize) -> Result<(), Problem> {
    let Instruction { code, jt, jf, k } = instruction;
    let inside = |skip: u32| usize::try_from(skip).is_ok_and(|skip| skip < after);
    match code {
        RET_A => Err(Problem::ReturnAccumulator),
        JUMP_ALWAYS if !inside(k) => Err(Problem::Jump),
        // jeq, jgt, jge, jset with k or x
        0x15 | 0x1d | 0x25 | 0x2d | 0x35 | 0x3d | 0x45 | 0x4d if !inside(jt.into()) || !inside(jf.into()) => {
            Err(Problem::Jump)
        }
        // div, mod
        0x34 | 0x94 if k == 0 => Err(Problem::Operand(k)),
        // lsh, rsh
        0x64 | 0x74 if k >= 32 => Err(Problem::Operand(k)),
        // ld, ldx, st, stx of memory
        0x60 | 0x61 | 0x02 | 0x03 if k >= MEMORY_WORDS => Err(Problem::Operand(k)),
        _ if is_known(code) => Ok(()),
        _ => Err(Problem::Operation(code)),
    }
}

fn is_known(code: u16) -> bool {
    match code & 0x07 {
        0 => matches!(code, 0x00 | 0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 | 0x60 | 0x80),
        1 => matches!(code, 0x01 | 0x61 | 0x81 | 0xb1),
        4 => code <= 0xaf && code != 0x8c,
        5 => matches!(code, JUMP_ALWAYS | 0x15 | 0x1d | 0x25 | 0x2d | 0x35 | 0x3d | 0x45 | 0x4d),
        _ => matches!(code, 0x02 | 0x03 | RET_K | 0x07 | 0x87),
    }
}

#[cfg(test)]
mod tests;
