"""The MODP groups 14 and 16 (RFC 3526 sections 3 and 5), whose generator is 2, by the formula that defines them."""


def _pi(bits: int) -> int:
    """floor(2^bits * pi), by Machin's formula."""
    spare = 64
    one = 1 << (bits + spare)

    def arctan_of_inverse(x: int) -> int:
        term, total, divisor, sign = one // x, one // x, 3, -1
        while term:
            term //= x * x
            total += sign * (term // divisor)
            sign, divisor = -sign, divisor + 2
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> spare


def _prime(bits: int, offset: int) -> int:
    return (1 << bits) - (1 << (bits - 64)) - 1 + (_pi(bits - 130) + offset << 64)


GROUP_14 = _prime(2048, 124476)
GROUP_16 = _prime(4096, 240904)
