//! What each rule is for and what to do when it fires: its Alerting and Detection Strategy, in the sections of
//! Palantir's [ADS framework](https://github.com/palantir/alerting-detection-strategy-framework).

use super::{Reason, correlated, image, resource, restart, traffic};
use crate::policy::RuleName;

/// The strategy of one rule.
#[derive(Clone, Copy, Debug)]
pub struct Ads {
    /// The rule.
    pub rule: RuleName,
    /// Whether this version judges by it.
    pub judged: bool,
    /// What it detects.
    pub goal: &'static str,
    /// How.
    pub strategy: &'static str,
    /// Why, one by one, in groups.
    pub reasons: &'static [&'static [&'static Reason]],
    /// What it does not see.
    pub blind_spots: &'static [&'static str],
    /// What sets it off without harm, and what to do about that.
    pub false_positives: &'static [&'static str],
    /// What to do when it fires, in this order.
    pub response: &'static [&'static str],
}

/// The strategy of a rule.
#[must_use]
pub fn of(rule: RuleName) -> &'static Ads {
    match rule {
        RuleName::UnauthorizedImage => &UNAUTHORIZED_IMAGE,
        RuleName::AnomalousTraffic => &ANOMALOUS_TRAFFIC,
        RuleName::RestartSpike => &RESTART_SPIKE,
    }
}

const UNAUTHORIZED_IMAGE: Ads = Ads {
    rule: RuleName::UnauthorizedImage,
    judged: true,
    goal: "An image is pulled or deployed from a repository that nobody authorised, or from one that pretends to be \
           authorised. Whoever builds a botnet out of containers has to bring an image first.",
    strategy: "Every image of every container event is parsed as Docker parses it, brought into one canonical form, and \
               judged by the policy: deny and allow rules over whole path components, tags, digests. Names nobody \
               allowed are compared with those somebody did, and with the well-known ones. Digests are remembered, so \
               that a tag that moves is seen.",
    reasons: &[image::reasons::ALL, correlated::reasons::ALL],
    blind_spots: &[
        "An image that is pushed over an allowed tag before the tag was ever seen here: pin the digest.",
        "An image that is changed while it runs: that is for a runtime sensor, whose alerts are read.",
        "CRI-O's short names: it resolves them by registries.conf, and they are read as Docker would.",
        "Tags that move on hosts of several architectures look like drift where only image ids are reported.",
    ],
    false_positives: &[
        "Development namespaces that deploy whatever they like: an exception that suppresses or downgrades, with an end.",
        "A new supplier: an allow rule for its namespace, not for its registry.",
        "A base image that is rebuilt under the same version tag: a low or high digest-drift; pin it, or except it.",
    ],
    response: &[
        "Ask who deployed it: the audit record names the user; check with the owner of the workload.",
        "Compare with the baseline: has this workload, this namespace, ever used the registry?",
        "Isolate the workload: deny its egress, scale it to zero, keep the pod for evidence; do not delete it first.",
        "Keep the image by digest and look into it: entry point, layers, what it connects to.",
        "Look for the same image, digest and registry on every other node and cluster.",
        "Find the way in: who could create the workload, with which credentials; revoke them.",
        "Then close the gap: an admission policy that enforces what this one reports, or an allow rule if it was right.",
    ],
};

const ANOMALOUS_TRAFFIC: Ads = Ads {
    rule: RuleName::AnomalousTraffic,
    judged: true,
    goal: "A container talks to the outside as command and control does: by the clock, for hours, to somewhere new, in \
           the names that it asks for, or to a destination that is known to be hostile.",
    strategy: "Each connection counts once, whichever records tell it, and belongs to a workload and a destination: the \
               domain by which the workload knows it, else the address, with port and protocol. What a workload did \
               while it was being learned is usual of it. What is new to it, and not long known to others, is judged by \
               timing (how many gaps are as one clock would have them, and how likely that is by chance), volume, \
               duration and number; destinations on threat lists, mining pools and tunnels through DNS are detections \
               from the first record on. Findings of several rules about one workload within an hour raise each other.",
    reasons: &[traffic::reasons::ALL, correlated::reasons::ALL],
    blind_spots: &[
        "Command and control through a service that the workload, or the fleet, has always used (T1102).",
        "A workload that is hostile from its first hour on: while it is being learned only threat lists, pools, tunnels, \
         scans and addresses without a name at odd ports are judged, and all of it once another rule has a finding.",
        "Clocks with a jitter of more than 70 %, or of which more than half of the records are lost.",
        "Destinations that are contacted fewer than seven times, unless much or long.",
        "Requests within one connection that stays open: the connection is seen, its clock is not.",
        "Sources without volumes (Hubble, Tetragon, Falco) show timing and novelty alone; those without names (VPC flow \
         logs) take each address of a service for a destination of its own.",
    ],
    false_positives: &[
        "A poller that is new after learning, such as a monitoring agent: one finding a day for its destination, however \
         many workloads have it; allow its domain.",
        "Scheduled backups to a new place: allow its domain, or a maintenance window.",
        "Vulnerability scanners and crawlers: an exception for the reason fan-out.",
        "Antivirus and block lists that ask by DNS: allow their domains.",
        "A dependency that has moved and is down: failed-connects; it ends when the dependency is up.",
    ],
    response: &[
        "Verify the destination: who else talks to it, since when, what it is; the evidence names how many workloads do.",
        "Compare with the workload's last deployment: is the destination in its configuration?",
        "Isolate the workload: deny its egress, keep the pod for evidence; do not delete it first.",
        "Find the process: its image and digest, its process tree, what it has written.",
        "Look for other workloads that talk to the same destination, and for the same image elsewhere.",
        "Estimate what has left: bytes_out of the evidence, and revoke the credentials that the workload could read.",
        "Then close the gap: an egress policy that allows what is known; or an allow rule here if it was right.",
    ],
};

const RESTART_SPIKE: Ads = Ads {
    rule: RuleName::RestartSpike,
    judged: true,
    goal: "A workload restarts, or uses resources, above its own baseline: an implant that does not run as well as the \
           program it has replaced, a miner, or a process that is made to fail.",
    strategy: "Restarts are counted once each, from whichever sources tell them, and judged against the workload's own \
               rate in several windows; without a history a prior judges. Back-off that persists, repeated kills for \
               want of memory and restarts of many workloads at a time are detections by themselves. Resource use is \
               judged against its own level, by the minute and by the day.",
    reasons: &[restart::reasons::ALL, resource::reasons::ALL, correlated::reasons::ALL],
    blind_spots: &[
        "A workload that is new and hostile from its first hour on has no baseline of its own: the prior judges its \
         restarts, and its limits judge its use.",
        "A single restart is no signal: an implant that replaces the process once is not seen here.",
        "Events of the kubelet saturate (25 at once, then one in five minutes), so that of many restarts some are \
         not told; the counters of kube-state-metrics and of the pods' status tell them all.",
        "Where a shipper keeps a database of Kubernetes Events it passes on the first of equal ones only.",
        "Fluent Bit's docker input counts in nanoseconds on cgroup v1 and in microseconds on v2 and does not say which: \
         where hosts of both kinds come together, v2's use of the processor is missed.",
    ],
    false_positives: &[
        "Rollouts and scaling: recognised where their events are collected, and then suppressed with that cause.",
        "Node drains and reboots: what they set off is suppressed with the node as the cause, and one low finding \
         stands for all.",
        "Scheduled maintenance: a window under maintenance.",
        "Development namespaces that crash as they please: an exception that suppresses or downgrades, with an end.",
    ],
    response: &[
        "Check for a rollout, a node drain or a maintenance first.",
        "Compare with the baseline: the evidence has what was observed, what is usual and how unlikely that is.",
        "Read the exit codes and the last log lines; look for out-of-memory kills.",
        "Look for a new image or a new destination of the same workload within the hour.",
        "Isolate the workload if both came together: deny its egress, keep the pod for evidence.",
        "Look for the same on other workloads that run the image.",
        "Then close the gap: a limit, a probe, an admission policy; or an exception if it was right.",
    ],
};
