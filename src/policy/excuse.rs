//! Whether the policy excuses a detection. This runs only where there is one.

use fast_glob::glob_match;

use super::types::{Excuse, Maintenance, Policy, RuleName, Where};
use crate::image::{Fit, Reference};
use crate::source::Workload;
use crate::time::{DAY, Time};

/// An excuse for a detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excused {
    /// What excuses it: `exception: NAME` or `maintenance: NAME`.
    pub cause: String,
    /// What becomes of it.
    pub action: Excuse,
}

impl Policy {
    /// What excuses a detection at a time: the first exception or else the first maintenance window that suppresses
    /// it, otherwise the first that downgrades it. One that ended at that time or before holds no more.
    ///
    /// Without an image, what asks for one does not hold.
    #[must_use]
    pub fn excuse(
        &self,
        workload: &Workload<'_>,
        image: Option<&Reference>,
        rule: RuleName,
        reason: &str,
        at: Time,
    ) -> Option<Excused> {
        let covers = |scope: &Where, rules: &[RuleName], until: Option<Time>| {
            until.is_none_or(|end| at < end)
                && (rules.is_empty() || rules.contains(&rule))
                && scope.covers(workload, image)
        };
        let exceptions = self.exceptions.iter().filter(|exception| {
            (exception.reasons.is_empty() || exception.reasons.iter().any(|known| known == reason))
                && covers(&exception.scope, &exception.rules, exception.until)
        });
        // Before the first record with a time, nobody knows whether it is time for maintenance.
        let windows = self.maintenance.iter().filter(|_| at != Time::default());
        let windows = windows.filter(|window| window.covers(at) && covers(&window.scope, &window.rules, window.until));

        let mut downgraded = None;
        let exceptions = exceptions.map(|exception| ("exception", &exception.name, exception.action));
        for (kind, name, action) in exceptions.chain(windows.map(|window| ("maintenance", &window.name, window.action)))
        {
            match action {
                Excuse::Suppress => {
                    return Some(Excused { cause: format!("{kind}: {name}"), action });
                }
                Excuse::Downgrade => downgraded = downgraded.or(Some((kind, name))),
            }
        }
        let (kind, name) = downgraded?;
        Some(Excused { cause: format!("{kind}: {name}"), action: Excuse::Downgrade })
    }
}

impl Where {
    fn covers(&self, workload: &Workload<'_>, image: Option<&Reference>) -> bool {
        let Workload { cluster, namespace, kind, name } = workload;
        let parts = [(&self.cluster, cluster), (&self.namespace, namespace), (&self.kind, kind), (&self.name, name)];
        parts.iter().all(|(globs, text)| globs.is_empty() || globs.iter().any(|glob| glob_match(glob, text.as_bytes())))
            && (self.image.is_empty()
                || image.is_some_and(|image| self.image.iter().any(|pattern| pattern.fit(image) == Fit::Yes)))
    }
}

impl Maintenance {
    /// Whether a time is within one of the windows.
    fn covers(&self, at: Time) -> bool {
        let local = Time::from_sec(at.sec.saturating_add(i64::from(self.offset)));
        let second = local.second_of_day();
        let (from, mut to) = (i64::from(self.from), i64::from(self.to));
        if to <= from {
            to += DAY;
        }
        let begins = |day: u8| self.days & 1 << day != 0;
        let (today, yesterday) = (local.weekday(), (local.weekday() + 6) % 7);
        begins(today) && (from..to).contains(&second) || begins(yesterday) && second + DAY < to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load;
    use crate::record::Text;

    /// Asks for an excuse of `shop/web`'s `first-seen` image.
    fn excuse(policy: &str, rule: RuleName, at: &str) -> String {
        let policy = load(policy).unwrap().policy;
        let [cluster, namespace, kind, name] = ["prod", "shop", "Deployment", "web"].map(Text::from);
        let workload = Workload { cluster, namespace, kind, name };
        let image = Reference::parse(b"ghcr.io/acme/web:v1").unwrap();
        let at = Time::parse(at.as_bytes()).unwrap();
        match policy.excuse(&workload, Some(&image), rule, "first-seen", at) {
            Some(Excused { cause, action: Excuse::Suppress }) => cause,
            Some(Excused { cause, action: Excuse::Downgrade }) => format!("{cause} (downgraded)"),
            None => "none".into(),
        }
    }

    #[rstest::rstest]
    #[case::empty_holds("", "exception: x")]
    #[case::namespace("where: {namespace: shop}", "exception: x")]
    #[case::glob("where: {namespace: 'sh*'}", "exception: x")]
    #[case::any_glob("where: {namespace: [dev, 's*p']}", "exception: x")]
    #[case::no_glob("where: {namespace: [dev, 'sho']}", "none")]
    #[case::negated("where: {namespace: '!shop'}", "none")]
    #[case::all_parts("where: {cluster: prod, namespace: shop, kind: Deployment, name: web}", "exception: x")]
    #[case::one_part_does_not("where: {cluster: test, namespace: shop}", "none")]
    #[case::workload("where: {workload: web}", "exception: x")]
    #[case::other_workload("where: {workload: api}", "none")]
    #[case::image("where: {image: ghcr.io/acme/web}", "exception: x")]
    #[case::other_image("where: {image: [ghcr.io/acme/api]}", "none")]
    #[case::rule("rules: unauthorized-image", "exception: x")]
    #[case::other_rule("rules: [restart-spike, anomalous-traffic]", "none")]
    #[case::reason("reasons: [lookalike, first-seen]", "exception: x")]
    #[case::other_reason("reasons: [lookalike]", "none")]
    #[case::date_is_included("until: 2026-11-24", "exception: x")]
    #[case::date_is_over("until: 2026-11-23", "none")]
    #[case::ends_now("until: 2026-11-24T12:00:00Z", "none")]
    #[case::ends_then("until: 2026-11-24T12:00:01Z", "exception: x")]
    #[case::downgrades("action: downgrade", "exception: x (downgraded)")]
    fn exceptions(#[case] keys: &str, #[case] expected: &str) {
        let policy = format!("exceptions:\n- name: x\n  {keys}");
        assert_eq!(excuse(&policy, RuleName::UnauthorizedImage, "2026-11-24T12:00:00Z"), expected);
    }

    #[test]
    fn what_asks_for_an_image_needs_one() {
        let policy = load("exceptions: [{name: x, where: {image: '**'}}]").unwrap().policy;
        let found =
            policy.excuse(&Workload::default(), None, RuleName::RestartSpike, "above-baseline", Time::default());
        assert_eq!(found, None);
    }

    #[rstest::rstest]
    #[case::first_of_two("exceptions: [{name: a}, {name: b}]", "exception: a")]
    #[case::suppress_wins("exceptions: [{name: a, action: downgrade}, {name: b}]", "exception: b")]
    #[case::first_downgrade(
        "exceptions: [{name: a, action: downgrade}, {name: b, action: downgrade}]",
        "exception: a (downgraded)"
    )]
    #[case::exception_first("maintenance: [{name: m}]\nexceptions: [{name: a}]", "exception: a")]
    #[case::window_suppresses("exceptions: [{name: a, action: downgrade}]\nmaintenance: [{name: m}]", "maintenance: m")]
    #[case::window_downgrades("maintenance: [{name: m, action: downgrade}]", "maintenance: m (downgraded)")]
    #[case::window_over("maintenance: [{name: m, until: 2026-11-23}]", "none")]
    #[case::window_elsewhere("maintenance: [{name: m, where: {namespace: dev}}]", "none")]
    fn precedence(#[case] policy: &str, #[case] expected: &str) {
        assert_eq!(excuse(policy, RuleName::RestartSpike, "2026-11-24T12:00:00Z"), expected);
    }

    // 2026-11-22 is a Sunday.
    #[rstest::rstest]
    #[case::begins("{days: [sun], from: '02:00', to: '04:00'}", "2026-11-22T02:00:00Z", true)]
    #[case::before("{days: [sun], from: '02:00', to: '04:00'}", "2026-11-22T01:59:59Z", false)]
    #[case::last_second("{days: [sun], from: '02:00', to: '04:00'}", "2026-11-22T03:59:59Z", true)]
    #[case::ends("{days: [sun], from: '02:00', to: '04:00'}", "2026-11-22T04:00:00Z", false)]
    #[case::other_day("{days: [sun], from: '02:00', to: '04:00'}", "2026-11-23T03:00:00Z", false)]
    #[case::east("{days: [sun], from: '02:00', to: '04:00', offset: '+03:00'}", "2026-11-21T23:30:00Z", true)]
    #[case::east_over("{days: [sun], from: '02:00', to: '04:00', offset: '+03:00'}", "2026-11-22T02:00:00Z", false)]
    #[case::west("{days: [sun], from: '22:00', to: '23:00', offset: '-05:00'}", "2026-11-23T03:30:00Z", true)]
    #[case::late("{days: [sun], from: '22:00', to: '02:00'}", "2026-11-22T23:00:00Z", true)]
    #[case::over_midnight("{days: [sun], from: '22:00', to: '02:00'}", "2026-11-23T01:59:59Z", true)]
    #[case::over_midnight_ends("{days: [sun], from: '22:00', to: '02:00'}", "2026-11-23T02:00:00Z", false)]
    #[case::not_the_night_before("{days: [sun], from: '22:00', to: '02:00'}", "2026-11-22T01:00:00Z", false)]
    #[case::midnight_is_no_gap("{days: [sun], from: '22:00', to: '02:00'}", "2026-11-23T00:00:00Z", true)]
    #[case::to_midnight("{days: [sun], from: '22:00', to: '24:00'}", "2026-11-22T23:59:59Z", true)]
    #[case::to_midnight_ends("{days: [sun], from: '22:00', to: '24:00'}", "2026-11-23T00:00:00Z", false)]
    #[case::to_the_first_minute("{days: [sun], from: '22:00', to: '00:00'}", "2026-11-22T23:59:59Z", true)]
    #[case::whole_day("{days: [sun]}", "2026-11-22T00:00:00Z", true)]
    #[case::whole_day_over("{days: [sun]}", "2026-11-23T00:00:00Z", false)]
    #[case::every_day("{from: '02:00', to: '04:00'}", "2026-11-25T02:30:00Z", true)]
    #[case::before_1970("{days: [wed], from: '23:00', to: '24:00'}", "1969-12-31T23:30:00Z", true)]
    fn windows(#[case] window: &str, #[case] at: &str, #[case] expected: bool) {
        let policy = format!("maintenance:\n- {}", window.replacen('{', "{name: patching, ", 1));
        let expected = if expected { "maintenance: patching" } else { "none" };
        assert_eq!(excuse(&policy, RuleName::RestartSpike, at), expected);
    }
}
