//! What an observation says beside its images: what happened to containers, and what they use.

use super::flow::{Flow, Lookup};
use crate::record::Text;
use crate::time::Time;

/// One thing that a record says of a workload, for the rules that count and measure.
///
/// A fact says what the record says and no more: whether an exit is a restart, and whether two records speak of the
/// same one, is for the baseline to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<'a> {
    /// The container of the observation began to run.
    Started,
    /// Somebody asked the container of the observation to end or to pause: what follows is no restart.
    Stopped,
    /// The container of the observation ended.
    Exited {
        /// Its exit status, where the record has one.
        code: Option<i64>,
    },
    /// The kernel killed a process of the container, or of the node, for want of memory.
    OutOfMemory,
    /// How often a container was restarted since its pod began: a counter of the kubelet's. Absolute, not a change.
    Restarts {
        /// The pod's uid, or else its name: with another one the counter begins anew.
        pod: Text<'a>,
        /// The container's name in the pod.
        container: Text<'a>,
        /// The counter, where the record has it.
        count: Option<u64>,
        /// Whether the container ended for want of memory the last time, where the record says how it ended.
        out_of_memory: Option<bool>,
    },
    /// The kubelet has sent a `Started` Event of this uid so many times. The first start of a container is no restart.
    Starts {
        /// The Event's uid.
        event: Text<'a>,
        /// Its `count`.
        count: u32,
        /// When the first of them was.
        since: Option<Time>,
    },
    /// The kubelet waits before it starts a failing container again (`CrashLoopBackOff`).
    BackOff {
        /// The uid and the `count` of the Event that says so; none when a status or a series does.
        event: Option<(Text<'a>, u32)>,
        /// Since when, where the record says it.
        since: Option<Time>,
    },
    /// Somebody changes the workload: a rollout, scaling, another image. Restarts are expected for a while.
    Rollout,
    /// A node is drained, not ready, or has booted: everything on it restarts.
    NodeChange {
        /// Its name.
        node: Text<'a>,
    },
    /// How much a container or a pod uses.
    Usage(Usage<'a>),
    /// The workload, or something at its address, has connected to something, or has tried to.
    Flow(Flow<'a>),
    /// The workload has asked for a name.
    Lookup(Lookup<'a>),
}

impl Fact<'_> {
    /// The same fact with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Fact<'static> {
        match self {
            Self::Started => Fact::Started,
            Self::Stopped => Fact::Stopped,
            Self::Exited { code } => Fact::Exited { code },
            Self::OutOfMemory => Fact::OutOfMemory,
            Self::Restarts { pod, container, count, out_of_memory } => {
                Fact::Restarts { pod: pod.into_owned(), container: container.into_owned(), count, out_of_memory }
            }
            Self::Starts { event, count, since } => Fact::Starts { event: event.into_owned(), count, since },
            Self::BackOff { event, since } => {
                Fact::BackOff { event: event.map(|(event, count)| (event.into_owned(), count)), since }
            }
            Self::Rollout => Fact::Rollout,
            Self::NodeChange { node } => Fact::NodeChange { node: node.into_owned() },
            Self::Usage(usage) => {
                Fact::Usage(Usage { instance: usage.instance.into_owned(), part: usage.part.into_owned(), ..usage })
            }
            Self::Flow(flow) => Fact::Flow(flow.into_owned()),
            Self::Lookup(lookup) => Fact::Lookup(lookup.into_owned()),
        }
    }
}

/// How much of a resource something uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage<'a> {
    /// What of the workload is measured: the container's id, or the pod. Samples of one instance are compared with each
    /// other.
    pub instance: Text<'a>,
    /// What of the instance: the pod's container, or the network interface; empty for the whole.
    pub part: Text<'a>,
    /// What is measured.
    pub metric: Metric,
    /// How much; none when the record says the limit alone.
    pub amount: Option<Amount>,
    /// The most that it may use, in the unit of the metric, where the record says it.
    pub limit: Option<f64>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Processor time, in cores (seconds a second).
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// What is sent over the network, in bytes a second.
    NetworkOut,
}

impl Metric {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::NetworkOut => "network-out",
        }
    }
}

/// An amount, as a source measures it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// The use at the time.
    Level(f64),
    /// The use at the time, in bytes, of which only the lowest 32 bits are there.
    LowBits(u32),
    /// The sum since the beginning, in core seconds or bytes; a smaller one than before has begun anew.
    Total(f64),
    /// The sum since the beginning, rounded to so much.
    Rounded {
        /// The sum.
        total: f64,
        /// What its last digit stands for.
        step: f64,
    },
    /// The lowest 32 bits of a sum of processor time, in microseconds or in nanoseconds: the record does not say which.
    Ticks(u32),
}
