#!/bin/sh
# Makes the samples beside this file with tools of others: ffmpeg and heif-enc for the pixels, exiftool for the dates.
# Debian: apt-get install ffmpeg libheif-examples libimage-exiftool-perl. What they say is in dates.json, by exiftool.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

pixels() { ffmpeg -v error -y -f lavfi -i color=teal:size=64x64:rate=10 -map_metadata -1 "$@"; }
photo() { exiftool -q -overwrite_original -DateTimeOriginal="$2" -CreateDate="$2" -ModifyDate="2026:11:30 09:00:00" "$1"; }
zoned() { exiftool -q -overwrite_original -OffsetTimeOriginal="$2" -OffsetTimeDigitized="$2" "$1"; }

for name in zoned.jpg plain.jpg digitized.jpg empty.jpg photo.png photo.tif photo.webp; do
	pixels -frames:v 1 "$work/$name"
done
heif-enc -q 10 "$work/plain.jpg" -o "$work/photo.heic" >"$work/log"
heif-enc -A -q 10 "$work/plain.jpg" -o "$work/photo.avif" >"$work/log"
pixels -t 0.2 -pix_fmt yuv420p -metadata creation_time=2026-11-23T02:15:00Z "$work/utc.mp4"
pixels -t 0.2 -pix_fmt yuv420p -metadata creation_time=2026-11-23T02:15:00Z "$work/zoned.mov"
pixels -t 0.2 -pix_fmt yuv420p -metadata creation_time=2026-11-23T02:15:00Z "$work/day.mov"
pixels -t 0.2 -pix_fmt yuv420p "$work/dateless.mp4"

for name in zoned.jpg plain.jpg photo.png photo.tif photo.webp photo.heic photo.avif; do
	photo "$work/$name" "2026:11:23 10:15:00"
done
for name in zoned.jpg photo.heic photo.avif photo.webp; do zoned "$work/$name" +08:00; done
exiftool -q -overwrite_original -CreateDate="2001:02:03 04:05:06" -OffsetTimeDigitized=-03:30 "$work/digitized.jpg"
exiftool -q -DNGVersion="1 4 0 0" -DateTimeOriginal="2026:11:23 10:15:00" -o "$work/photo.dng" "$work/photo.tif"
exiftool -q -overwrite_original -Keys:CreationDate="2026:11:23 10:15:00+08:00" "$work/zoned.mov"
exiftool -q -overwrite_original -UserData:ContentCreateDate="2026:11:23 11:15:00+09:00" "$work/day.mov"

cp "$work"/*.* .
exiftool -quiet -json -G1 -DateTimeOriginal -CreateDate -OffsetTimeOriginal -OffsetTimeDigitized -CreationDate \
	-ContentCreateDate ./*.jpg ./*.png ./*.tif ./*.webp ./*.heic ./*.avif ./*.dng ./*.mp4 ./*.mov >dates.json
