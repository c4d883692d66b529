# SPDX-License-Identifier: Apache-2.0
# usage: awk -v function_max=N -v file_max=N -v line_max=N -v args_max=N -f shape.awk FILE.[ch]...
# Prints what is longer. Functions begin with their name at the left margin and have their braces
# there, as the format lint sees to. "note:" lines are advice.

function width(line,    n, i, w, c)
{
	gsub(/[\200-\277]/, "", line)   # one column per UTF-8 character
	n = length(line)
	for (i = 1; i <= n; i++) {
		c = substr(line, i, 1)
		w = c == "\t" ? w + 8 - w % 8 : w + 1
	}
	return w
}

function end_file()
{
	if (name != "" && lines > file_max)
		print name ": " lines " lines, at most " file_max
}

FNR == 1 {
	end_file()
	name = FILENAME
	start = 0
}

{
	lines = FNR
	if (length($0) * 8 > line_max && width($0) > line_max)
		print name ":" FNR ": " width($0) " columns, at most " line_max
	if ($0 ~ /[ \t]$/)
		print name ":" FNR ": space at the end of the line"
}

/^[a-zA-Z_][a-zA-Z_0-9]*\(/ {
	head = $0
	sub(/\(.*/, "", head)
	signature = ""
}

/^[a-zA-Z_][a-zA-Z_0-9]*\(/, /^[{}]|;[ \t]*$/ {
	signature = signature $0
}

/^\{/ {
	start = FNR
	commas = gsub(/,/, ",", signature)
	if (signature != "" && commas + 1 > args_max)
		print "note: " name ":" FNR ": " head " takes " commas + 1 " parameters"
}

/^\}/ {
	if (start > 0 && FNR - start + 1 > function_max)
		print name ":" start ": " head "() has " FNR - start + 1 " lines, at most " \
			function_max
	start = 0
	signature = ""
}

END {
	end_file()
}
