# What scripts/run and scripts/test share. To be sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() {
    printf '\n==> %s\n' "$*"
}

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# packages_of GROUP...: their packages, from packages.txt.
packages_of() {
    local group
    for group; do
        awk -v group="$group" '!/^#/ && $2 == group { print $1 }' "$root/scripts/packages.txt"
    done
}

# install_missing GROUP...: installs the packages of the groups that are not there.
install_missing() {
    local package missing=()
    for package in $(packages_of "$@"); do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || die "as root, run: apt-get install -y ${missing[*]}"
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
}

# build PRESET [TARGET...]: configures and builds into build/PRESET.
build() {
    local preset=$1
    shift
    (cd "$root" && cmake --preset "$preset" &&
        cmake --build --preset "$preset" --parallel "$(nproc)" ${1:+-t} "$@") </dev/null
}
