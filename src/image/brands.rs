//! Names that are known without a policy.

/// A sorted list of names, with a space between them: one text is smaller than a table of many.
pub(super) struct Names(&'static str);

impl Names {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.0.split(' ')
    }

    /// Whether the list has the name.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|known| known == name)
    }
}

/// The official images of Docker Hub, retired ones included: `docker.io/library/NAME`.
pub(super) const OFFICIAL: Names = Names(
    "adminer aerospike almalinux alpine alt amazoncorretto amazonlinux api-firewall arangodb archlinux backdrop bash \
    bonita buildpack-deps busybox caddy cassandra celery centos chronograf cirros clearlinux clefos clickhouse clojure \
    composer consul convertigo couchbase couchdb crate crux dart debian django docker drupal eclipse-mosquitto \
    eclipse-temurin eggdrop elasticsearch elixir emqx erlang express-gateway fedora flink fluentd friendica fsharp \
    gazebo gcc geonetwork ghost glassfish golang gradle groovy haproxy haskell haxe hello-world hitch httpd hylang \
    ibm-semeru-runtimes ibmjava influxdb iojs irssi java jenkins jetty jobber joomla jruby julia kapacitor kibana \
    known kong krakend lightstreamer liquibase logstash mageia mariadb matomo maven mediawiki memcached mongo \
    mongo-express monica mono mysql nats nats-streaming neo4j neurodebian nextcloud nginx node notary nuxeo odoo \
    open-liberty openjdk opensuse oraclelinux orientdb owncloud percona perl photon php php-zendserver phpmyadmin \
    plone postfixadmin postgres pypy python r-base rabbitmq rails rakudo-star redis redmine registry rethinkdb \
    rocket.chat rockylinux ros ruby rust sapmachine satosa scratch silverpeas sl solr sonarqube sourcemage spark \
    spiped storm swarm swift swipl teamspeak telegraf thrift tomcat tomee traefik ubuntu unit valkey varnish vault \
    websphere-liberty wordpress xwiki yourls znc zookeeper",
);

/// Public registries that anybody may name, and most can push to.
pub(super) const REGISTRIES: Names = Names(
    "asia.gcr.io ccr.ccs.tencentyun.com cgr.dev codeberg.org container-registry.oracle.com cr.fluentbit.io cr.l5d.io \
    cr.yandex dhi.io docker.elastic.co docker.io docker.m.daocloud.io docker.n8n.io docker.pkg.github.com \
    docker.redpanda.com eu.gcr.io forgejo.org gcr.io ghcr.io gitea.com icr.io images.linuxcontainers.org k8s.gcr.io \
    lscr.io marketplace.gcr.io mcr.microsoft.com mirror.gcr.io nvcr.io ocir.io projects.registry.vmware.com \
    public.ecr.aws quay.io registry.access.redhat.com registry.ci.openshift.org registry.connect.redhat.com \
    registry.developers.crunchydata.com registry.digitalocean.com registry.fedoraproject.org registry.gitlab.com \
    registry.k8s.io registry.opensource.zalan.do registry.opensuse.org registry.rancher.com registry.redhat.io \
    registry.suse.com releases-docker.jfrog.io us.gcr.io us.icr.io xpkg.upbound.io",
);

/// Namespaces of Docker Hub and its like under which well-known publishers ship well-known names.
pub(super) const PUBLISHERS: Names = Names(
    "airbyte alpine amazon amd64 ansible apache apachepulsar apicurio aquasec argoproj arm32v7 arm64v8 atlassian \
    authelia aws-observability bitnami bitnamicharts bitnamilegacy bitnamisecure calico cassandra certbot chainguard \
    cilium circleci clickhouse cloudflare cockroachdb confluentinc containrrr coredns crossplane curldatadog cypress \
    dgraph docker dockersamples dpage drone elastic envoyproxy espressif falcosecurity flannel fluent fluxcd gitea \
    gitlab goharbor google grafana graylog haproxytech hashicorp homeassistant huggingface ibmcom istio itzg \
    jaegertracing jboss jellyfin jenkins jetbrains jupyter k3d-io k8s kasmweb kindest kong kubernetesui library \
    linuxserver litmuschaos localstack longhornio mailhog mattermost metabase metallb microsoft milvusdb minio mozilla \
    mysql n8nio neo4j netdata nextcloud nginx nginxinc nodered nvidia oliver006 ollama openebs openfaas \
    openpolicyagent opensearchproject openzipkin oryd owasp paketobuildpacks percona pihole plexinc portainer postgis \
    prom prometheuscommunity pulumi pytorch qdrant questdb rancher redis redislabs renovate rocker rocm rook sclorg \
    selenium sentry sonarsource sonatype splunk strimzi sysdig telegraf temporalio tensorflow thanosio timescale \
    traefik trinodb ubuntu vaultwarden vectordotdev velero victoriametrics wazuh weaveworks yugabytedb zabbix zalando \
    zookeeper",
);

/// Last components that so many repositories have that sharing one means nothing.
pub(super) const GENERIC: Names = Names(
    "admin agent alerts analytics api app apps auth backend base batch bot build builder cache chart cli client common \
    config console controller core cron dashboard data database db debug demo deploy dev dns docs driver example \
    exporter frontend gateway helper hub ingest ingress init installer job jobs kernel lib log logger logs mail main \
    manager metrics migrate migrations minimal model monitor monitoring node nodejs operator plugin portal processor \
    proxy queue router runner runtime sandbox scheduler server service shell sidecar site stage static storage sync \
    task test tests tool toolbox tools ui utils web webapp webhook website worker",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(OFFICIAL, 167)]
    #[case(REGISTRIES, 49)]
    #[case(PUBLISHERS, 147)]
    #[case(GENERIC, 97)]
    fn are_sorted(#[case] list: Names, #[case] count: usize) {
        assert!(list.iter().is_sorted());
        assert!(list.iter().all(|name| !name.is_empty() && list.has(name)));
        assert_eq!(list.iter().count(), count);
    }
}
