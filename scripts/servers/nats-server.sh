#!/bin/sh
# Puts the current nats-server into .servers/ for the tests, beside the project and not into the
# system. Use: sh scripts/servers/nats-server.sh
#
# Debian's stable releases carry versions whose acknowledgement does not mean that anything is on a
# disk, so this takes the one package from the unstable suite. Mirror and keys are the machine's own:
# apt is asked for them, and given folders of its own, so that the system's lists stay as they are.
set -eu
cd "$(dirname "$0")/../.."
target=.servers/nats
if [ -x "$target/usr/sbin/nats-server" ] || [ -x "$target/usr/bin/nats-server" ]; then exit 0; fi

if ! command -v apt-get >/dev/null; then
  echo "This needs Debian's apt. Elsewhere, put a nats-server of 2.12 or later on the PATH." >&2
  exit 1
fi
mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
  grep -E '/debian/?$' | head -n 1)"
if [ -z "$mirror" ]; then
  # Lists that were never fetched name no mirror: the first apt-get update does.
  apt-get update -qq
  mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -E '/debian/?$' | head -n 1)"
fi
[ -n "$mirror" ] || { echo "No Debian mirror is configured for apt here." >&2; exit 1; }

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/parts" "$work/deb"
keys=""
for file in /usr/share/keyrings/debian-archive-keyring.gpg \
  /usr/share/keyrings/debian-archive-keyring.pgp; do
  if [ -r "$file" ]; then keys="[signed-by=$file]"; fi
done
echo "deb $keys $mirror unstable main" >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/parts";
Dir::Etc::preferences "$work/none";
Dir::Etc::preferencesparts "$work/parts";
Dir::State "$work/state";
Dir::Cache "$work/cache";
Dir::State::status "/dev/null";
APT::Sandbox::User "";
APT::Update::Post-Invoke-Success "";
Acquire::Languages "none";
END
export APT_CONFIG="$work/apt.conf"
apt-get update -qq
(cd "$work/deb" && apt-get download -qq nats-server)
mkdir -p .servers
# Unpacked aside and moved at the end: a run that was broken off leaves nothing half done.
rm -rf "$target.new" "$target"
dpkg-deb -x "$work"/deb/nats-server_*.deb "$target.new"
mv "$target.new" "$target"
