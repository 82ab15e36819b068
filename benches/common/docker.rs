//! The containers that the benchmarks of shippers tell of: always the same 50, on 30 images.

/// Numbers that are the same each time: xorshift.
pub struct Chance(u64);

impl Chance {
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}

/// A container of Docker Compose.
pub struct Container {
    pub id: String,
    pub image: String,
    pub project: &'static str,
    pub service: &'static str,
    pub name: String,
}

impl Container {
    pub fn any(chance: &mut Chance) -> Self {
        let number = chance.below(50);
        let project = ["shop", "search", "billing", "media"][number % 4];
        let service = ["web", "api", "worker", "cache", "queue"][number % 5];
        Self {
            id: format!("{:016x}", (number as u64 + 1).wrapping_mul(0xd6e8_feb8_6659_fd93)).repeat(4),
            image: image(number % 30),
            project,
            service,
            name: format!("{project}-{service}-{number}"),
        }
    }
}

/// The images; three of the thirty are not allowed.
fn image(number: usize) -> String {
    match number {
        0..12 => format!("registry.corp.example/shop/service-{number}:v{}", number % 4 + 1),
        12..20 => format!("{}:1.{number}", ["nginx", "redis", "postgres", "rabbitmq"][number % 4]),
        20..27 => format!("registry.k8s.io/team/component-{number}:v1.{number}.0"),
        _ => format!("quay.io/somebody/tool-{number}:2"),
    }
}
