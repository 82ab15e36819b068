//! What containers of Docker use: records of Fluent Bit's [`docker`] input, of [`docker stats`] as JSON, and of the
//! [API behind it].
//!
//! Fluent Bit cuts both numbers to 32 bits, and counts processor time in nanoseconds on cgroup v1 and in microseconds on
//! v2 without saying which: the baseline finds out.
//!
//! [`docker`]: https://docs.fluentbit.io/manual/pipeline/inputs/docker-metrics
//! [`docker stats`]: https://docs.docker.com/reference/cli/docker/container/stats/
//! [API behind it]: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container/operation/ContainerStats

use super::docker::{by_id, of_kubernetes, unnamed};
use super::keys::{
    API_CPU, API_INACTIVE, API_MEMORY, API_MEMORY_LIMIT, API_READ, API_TOTAL_INACTIVE, DOCKER_ID, METRIC_NAME,
    STATS_CONTAINER, STATS_CPU, STATS_ID, STATS_MEMORY, STATS_NAME, STATS_NETWORK, USED_CPU, USED_MEMORY,
    USED_MEMORY_LIMIT,
};
use super::{Amount, Fact, Metric, Observation, Observations, Reader, Source, Usage, Workload, filled};
use crate::record::{Fields, Key, Text};
use crate::time::Time;

/// What the kernel says when there is no limit, rounded down to a page and cut to 32 bits; and the largest number.
const UNLIMITED: std::ops::RangeInclusive<i64> = 4_294_901_760..=4_294_967_295;

/// Reads a record of any of the three forms.
pub fn observe<'a>(fields: &Fields<'a, '_>, _: &mut Reader) -> Option<Observations<'a>> {
    let observation = if fields.has(USED_CPU) && fields.has(USED_MEMORY) {
        used(fields)?
    } else if fields.has(STATS_CPU) && fields.has(STATS_MEMORY) {
        stats(fields)?
    } else if fields.has(API_READ) && fields.has(API_CPU) {
        api(fields)?
    } else {
        return None;
    };
    Some(Observations::from_iter([observation]))
}

/// An observation of what a container uses, so far nothing.
fn of_container<'a>(name: Option<Text<'a>>, id: Text<'a>) -> (Observation<'a>, Text<'a>) {
    let start = name.as_ref().map_or(0, |name| usize::from(name.as_bytes().starts_with(b"/")));
    let name = name.map(|name| name.slice(start, name.as_bytes().len())).filter(|name| !name.is_empty());
    let workload = match name {
        Some(name) => match of_kubernetes(&name) {
            Some((workload, _)) => workload,
            None => Workload { name, ..unnamed() },
        },
        None => by_id(&id),
    };
    let instance = id.slice(0, id.as_bytes().len().min(12));
    let observation = Observation::new(Source::DockerStats, "container.usage", workload);
    (Observation { container: Some(id), ..observation }, instance)
}

fn usage<'a>(instance: &Text<'a>, metric: Metric, amount: Amount, limit: Option<f64>) -> Fact<'a> {
    let part = Text::default();
    Fact::Usage(Usage { instance: instance.clone(), part, metric, amount: Some(amount), limit })
}

/// A record of Fluent Bit's.
fn used<'a>(fields: &Fields<'a, '_>) -> Option<Observation<'a>> {
    let integer = |key: Key| fields.get(key)?.integer();
    let (mut observation, instance) = of_container(fields.text(METRIC_NAME), fields.text(DOCKER_ID)?);
    if let Some(Ok(ticks)) = integer(USED_CPU).map(u32::try_from) {
        observation.facts.push(usage(&instance, Metric::Cpu, Amount::Ticks(ticks), None));
    }
    if let Some(Ok(bytes)) = integer(USED_MEMORY).map(u32::try_from) {
        let limit = integer(USED_MEMORY_LIMIT).filter(|limit| *limit > 0 && !UNLIMITED.contains(limit));
        let limit = limit.map(|limit| limit as f64);
        observation.facts.push(usage(&instance, Metric::Memory, Amount::LowBits(bytes), limit));
    }
    Some(observation)
}

/// A record of `docker stats`, whose numbers are for people. A container that does not run has `--` in their place.
fn stats<'a>(fields: &Fields<'a, '_>) -> Option<Observation<'a>> {
    let id = fields.text(STATS_ID).or_else(|| fields.text(STATS_CONTAINER))?;
    let (mut observation, instance) = of_container(fields.text(STATS_NAME), id);
    let cpu = fields.text(STATS_CPU)?;
    if let Some((percent, _)) = cpu.as_bytes().strip_suffix(b"%").and_then(number) {
        observation.facts.push(usage(&instance, Metric::Cpu, Amount::Level(percent / 100.0), None));
    }
    let memory = fields.text(STATS_MEMORY)?;
    if let Some(((used, _), (limit, _))) = pair(memory.as_bytes()) {
        let limit = Some(limit).filter(|limit| *limit > 0.0);
        observation.facts.push(usage(&instance, Metric::Memory, Amount::Level(used), limit));
    }
    let network = fields.text(STATS_NETWORK);
    if let Some((_, (total, step))) = network.as_ref().and_then(|network| pair(network.as_bytes())) {
        observation.facts.push(usage(&instance, Metric::NetworkOut, Amount::Rounded { total, step }, None));
    }
    Some(observation)
}

/// A record of the API. What can be given back at once is no use of memory, as `docker stats` has it.
fn api<'a>(fields: &Fields<'a, '_>) -> Option<Observation<'a>> {
    let number = |key: Key| fields.get(key)?.number();
    let id = fields.text(DOCKER_ID).unwrap_or_default();
    let name = filled(fields, METRIC_NAME);
    if name.is_none() && id.is_empty() {
        return None;
    }
    let (mut observation, mut instance) = of_container(name, id);
    if instance.is_empty() {
        instance = observation.workload.name.clone();
    }
    observation.container = observation.container.filter(|id| !id.is_empty());
    observation.time = fields.text(API_READ).and_then(|time| Time::parse(time.as_bytes()));
    let cpu = number(API_CPU)?;
    observation.facts.push(usage(&instance, Metric::Cpu, Amount::Total(cpu / 1e9), None));
    if let Some(memory) = number(API_MEMORY) {
        let inactive = number(API_TOTAL_INACTIVE).or_else(|| number(API_INACTIVE)).unwrap_or(0.0);
        let limit = number(API_MEMORY_LIMIT).filter(|limit| *limit > 0.0);
        let used = (memory - inactive).max(0.0);
        observation.facts.push(usage(&instance, Metric::Memory, Amount::Level(used), limit));
    }
    Some(observation)
}

/// Two sizes, `1.2MiB / 7.6GiB`, each with what its last digit stands for.
fn pair(text: &[u8]) -> Option<((f64, f64), (f64, f64))> {
    let slash = text.iter().position(|&byte| byte == b'/')?;
    Some((size(text.get(..slash)?)?, size(text.get(slash + 1..)?)?))
}

/// A size for people, in bytes.
fn size(text: &[u8]) -> Option<(f64, f64)> {
    let text = text.trim_ascii();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let (digits, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_ascii();
    let (prefix, base) = match unit {
        [b'B'] | [] => (None, 1000.0),
        [prefix, b'B'] => (Some(prefix), 1000.0),
        [prefix, b'i', b'B'] => (Some(prefix), 1024.0),
        _ => return None,
    };
    let power = match prefix {
        Some(prefix) => b"KMGTPE".iter().position(|name| *name == prefix.to_ascii_uppercase())? + 1,
        None => 0,
    };
    let unit = (0..power).fold(1.0, |unit, _| unit * base);
    let (value, step) = number(digits)?;
    Some((value * unit, step * unit))
}

/// A number in digits, and what the last of them stands for.
fn number(text: &[u8]) -> Option<(f64, f64)> {
    let (mut value, mut step, mut is_fraction, mut count) = (0.0, 1.0, false, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                value = value * 10.0 + f64::from(byte - b'0');
                step /= if is_fraction { 10.0 } else { 1.0 };
                count += 1;
            }
            b'.' if !is_fraction => is_fraction = true,
            _ => return None,
        }
    }
    (1..=20).contains(&count).then_some((value * step, step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::observed;

    const FORM: &str = "docker-stats container.usage";

    #[rstest::rstest]
    #[case::fluent_bit(
        r#"{"id":"6bab19c3a0f9","name":"postgresql","cpu_used":172102435,"mem_used":5693400,"mem_limit":4294963200}"#,
        "- -/-/container/postgresql | cpu 6bab19c3a0f9/ Ticks(172102435) | memory 6bab19c3a0f9/ LowBits(5693400)"
    )]
    #[case::limit(
        r#"{"id":"6b","name":"a","cpu_used":1,"mem_used":2,"mem_limit":536870912}"#,
        "- -/-/container/a | cpu 6b/ Ticks(1) | memory 6b/ LowBits(2) of 536870912"
    )]
    #[case::of_a_pod(
        r#"{"id":"6b","name":"k8s_app_web-78945dccd8-hvr55_shop_d5cd_0","cpu_used":1,"mem_used":-2,"mem_limit":0}"#,
        "- -/shop/Deployment/web | cpu 6b/ Ticks(1)"
    )]
    #[case::too_large(
        r#"{"id":"6b","name":"a","cpu_used":4294967296,"mem_used":"x","mem_limit":7}"#,
        "- -/-/container/a"
    )]
    #[case::docker_stats(
        r#"{"BlockIO":"0B / 0B","CPUPerc":"150.05%","Container":"web","ID":"0123456789abcdef","MemPerc":"0.02%",
            "MemUsage":"1.5MiB / 8GiB","Name":"web","NetIO":"1.45kB / 2.5MB","PIDs":"1"}"#,
        "- -/-/container/web | cpu 0123456789ab/ Level(1.5005000000000002) | memory 0123456789ab/ Level(1572864.0) \
         of 8589934592 | network-out 0123456789ab/ Rounded { total: 2500000.0, step: 100000.0 }"
    )]
    #[case::stopped(
        r#"{"CPUPerc":"--","ID":"01","MemUsage":"-- / --","Name":"--","NetIO":"--"}"#,
        "- -/-/container/--"
    )]
    #[case::no_name(
        r#"{"CPUPerc":"1%","Container":"0123456789abcdef","MemUsage":"0B / 0B"}"#,
        "- -/-/container/0123456789ab | cpu 0123456789ab/ Level(0.01) | memory 0123456789ab/ Level(0.0)"
    )]
    #[case::api(
        r#"{"name":"/web","id":"0123456789abcdef","read":"2026-03-15T00:06:31Z","cpu_stats":{"cpu_usage":{
            "total_usage":2500000000,"percpu_usage":[1,2]}},"memory_stats":{"usage":3000,"limit":9000,"stats":{
            "inactive_file":1000}}}"#,
        "1773533191.000000000 -/-/container/web | cpu 0123456789ab/ Total(2.5) | memory 0123456789ab/ Level(2000.0) \
         of 9000"
    )]
    #[case::api_without_id(
        r#"{"name":"/web","read":"x","cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{"limit":1}}"#,
        "- -/-/container/web | cpu web/ Total(0.0)"
    )]
    fn uses(#[case] record: &str, #[case] expected: &str) {
        assert_eq!(observed(observe, record).unwrap(), [format!("{FORM} {expected}")]);
    }

    #[rstest::rstest]
    #[case::nothing("{}")]
    #[case::no_id(r#"{"name":"a","cpu_used":1,"mem_used":2}"#)]
    #[case::wrong_types(r#"{"ID":1,"CPUPerc":"1%","MemUsage":"0B / 0B"}"#)]
    #[case::nameless(r#"{"read":"x","cpu_stats":{"cpu_usage":{"total_usage":0}}}"#)]
    #[case::cpu_alone(r#"{"id":"6b","name":"a","cpu_used":1}"#)]
    fn no_uses(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }

    #[rstest::rstest]
    #[case("1.2MiB", Some(1_258_291.2))]
    #[case("0B", Some(0.0))]
    #[case(" 976KiB ", Some(999_424.0))]
    #[case("2.5GB", Some(2.5e9))]
    #[case("12 kB", Some(12_000.0))]
    #[case("7", Some(7.0))]
    #[case("1.2.3MB", None)]
    #[case("MB", None)]
    #[case("1XB", None)]
    #[case("999999999999999999999B", None)]
    #[case("-1B", None)]
    fn sizes(#[case] text: &str, #[case] expected: Option<f64>) {
        let found = size(text.as_bytes()).map(|(value, _)| value);
        assert_eq!(found.map(f64::round), expected.map(f64::round));
    }
}
