# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by examples/run and tests/run.
#
#   need_packages <package>...          installs what is missing, after saying so; where it may not, says which command
#                                       root has to run, and ends the script
#   want_packages <reason> <package>... the same, but where it may not install, says what is left out and goes on
#
# Where nothing is missing, neither of them calls apt-get. Where there is no dpkg, they check nothing: CMake then says
# what it does not find.

missing_packages() {  # prints those of its arguments that are not installed
  command -v dpkg-query >/dev/null || return 0
  local installed package
  # shellcheck disable=SC2016 # dpkg-query's own variables
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    grep -qx "installed $package" <<<"$installed" || echo "$package"
  done
}

install_packages() {  # fails where this user may not install
  local as_root=()
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || return 1
    as_root=(sudo)
  fi
  echo "These Debian packages are missing and will now be installed: $*" >&2
  "${as_root[@]}" apt-get update -qq >&2 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

need_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -eq 0 ]] && return
  if ! install_packages "${missing[@]}"; then
    echo "These Debian packages are missing and could not be installed: ${missing[*]}" >&2
    echo "Run as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
}

want_packages() {
  local reason=$1 missing
  mapfile -t missing < <(missing_packages "${@:2}")
  [[ ${#missing[@]} -eq 0 ]] && return
  if ! install_packages "${missing[@]}"; then
    echo "These Debian packages are missing and could not be installed: ${missing[*]}; $reason" >&2
  fi
}
