"""What people were told, as `holdfast load contend` wrote it down, and whether it can be explained."""
