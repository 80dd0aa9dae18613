# SPDX-License-Identifier: Apache-2.0
# Completion of lensfs for fish.  It knows nothing by itself: lensfs lists its
# commands, options and their values.

function __lensfs_commands
    lensfs --list-commands 2>/dev/null | string replace -r '^([^\t]*)\t[^\t]*\t' '$1\t'
end

# The command on the line, or lensfs.
function __lensfs_command
    set -l known (lensfs --list-commands 2>/dev/null | string split -f 1 \t)
    for word in (commandline -opc)[2..-1]
        if contains -- $word $known
            echo $word
            return
        end
    end
    echo lensfs
end

function __lensfs_recipes
    lensfs recipes 2>/dev/null | string replace -r ' .*' ''
end

complete -c lensfs -n 'test (__lensfs_command) = lensfs' -f -a '(__lensfs_commands)'
complete -c lensfs -n 'test (__lensfs_command) = recipes' -a '(__lensfs_recipes)'
lensfs --list-options 2>/dev/null | while read -l line
    set -l field (string split \t -- $line)
    set -l options -n "test (__lensfs_command) = $field[1]" -d "$field[4]"
    if string match -q -- '--*' $field[2]
        set -a options -l (string sub -s 3 -- $field[2])
    else
        set -a options -s (string sub -s 2 -- $field[2])
    end
    if test -n "$field[5]"
        set -a options -x -a (string replace -a '|' ' ' -- $field[5])
    else if test "$field[3]" = 'NAME|FILE'
        set -a options -r -F -a '(__lensfs_recipes)'
    else if string match -q -- '*FILE' $field[3]; or test "$field[3]" = DIR
        set -a options -r -F
    else if test -n "$field[3]"
        set -a options -x
    end
    complete -c lensfs $options
end
