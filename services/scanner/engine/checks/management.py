"""What the pages of devices, hypervisors and control panels show of themselves: a table of facts, and no check."""

import re

# The whole title that the login page has, perhaps behind the machine's name; a page that merely writes about such a
# product has more to say than that.
_TITLES = (
    ("Dell iDRAC", r"(?:Dell )?(?:Integrated )?(?:Dell )?Remote Access Controller.{0,40}|(?:Dell )?iDRAC ?\d?.{0,20}"),
    ("HPE iLO", r"(?:HPE? )?(?:Integrated Lights-Out|iLO) ?\d?.{0,30}"),
    ("a Supermicro BMC", r"Supermicro BMC.{0,30}|ATEN International.{0,30}"),
    ("a BMC", r"Megarac SP.{0,10}|IPMI|Lenovo XClarity Controller.{0,10}|Integrated Management Module.{0,20}"),
    ("Cisco IMC", r"Cisco Integrated Management Controller.{0,20}"),
    ("MikroTik RouterOS", r"(?:MikroTik )?RouterOS(?: router configuration page)?|WebFig"),
    ("pfSense", r"pfSense.{0,5}Login|Login to pfSense"),
    ("OPNsense", r"Login ?\| ?OPNsense|OPNsense"),
    ("Fortinet", r"FortiGate|FortiWeb|FortiMail|FortiManager.{0,20}|FortiAnalyzer.{0,20}"),
    ("SonicWall", r"SonicWall.{0,30}(?:Login|Authentication|Administrator).{0,20}"),
    ("Palo Alto Networks", r"PA-\d{3,4}|Palo Alto Networks.{0,20}Login"),
    ("Cisco ASA", r"Cisco (?:ASDM|Adaptive Security).{0,20}"),
    ("Check Point Gaia", r"(?:Check Point )?Gaia.{0,20}"),
    ("VMware", r"(?:Log in to )?VMware (?:ESXi?|vSphere|vCenter|Host Client|Cloud).{0,40}|(?:vSphere|vCenter).{0,20}"),
    ("VMware ESXi", r'" \+ ID_E?ESX\w{0,3}_Welcome \+ "'),
    ("Proxmox VE", r"(?:.{1,60} - )?Proxmox Virtual Environment"),
    ("Xen", r"XenServer [\d.]{1,10}|Xen Orchestra"),
    ("Nutanix", r"Nutanix Web Console"),
    ("Ubiquiti", r"UniFi(?: Network| OS| Controller| Video)?|EdgeOS|EdgeRouter.{0,10}|airOS.{0,20}"),
    ("a router with DD-WRT", r"DD-WRT \(build.{0,40}|.{0,30} - Info \(DD-WRT.{0,20}"),
    ("OpenWrt", r"(?:.{1,40} - )?LuCI(?: - Lua Configuration Interface)?"),
    (
        "Synology DSM",
        r"(?:.{1,40} - )?Synology(?: |-|\xa0)+(?:DiskStation|RackStation|NAS|VirtualDSM|Router)(?: - .{1,30})?",
    ),
    ("QNAP", r"QNAP (?:Turbo )?NAS|QTS Login"),
    ("TrueNAS", r"(?:.{1,30} - )?(?:TrueNAS|FreeNAS)"),
    ("Webmin", r"Login to (?:Webmin|Usermin|Virtualmin)|(?:Webmin|Usermin)"),
    ("cPanel", r"(?:cPanel|WHM|Webmail) Login"),
    ("Plesk", r"Plesk (?:Obsidian|Onyx)(?: [\d.]{1,12})?|Login - Plesk.{0,10}"),
    ("a hosting panel", r"DirectAdmin.{0,10}Login|ISPConfig(?: Login)?|VestaCP|HestiaCP|Login - CyberPanel|Ajenti"),
    ("Portainer", r"Portainer"),
    ("Cockpit", r"Cockpit"),
    ("phpMyAdmin", r"phpMyAdmin(?: [\d.]{1,10})?"),
    ("Adminer", r"Login - Adminer"),
    ("RabbitMQ", r"RabbitMQ Management"),
    ("Kibana", r"Kibana"),
    ("Jenkins", r"Dashboard \[Jenkins\]|Sign in \[Jenkins\](?: - Jenkins)?"),
    ("Apache Tomcat", r"/manager"),
    ("Consul", r"Consul by HashiCorp"),
    ("Traefik", r"Traefik"),
    ("Hadoop", r"Namenode information|Spark Master at .{1,80}"),
    ("a printer", r"HP (?:Color )?LaserJet(?: \w{1,10}){1,6} {1,9}[\d.]{7,15}|Web Image Monitor"),
    ("a printer", r"CentreWare Internet Services.{0,20}|EpsonNet Config.{0,20}"),
    ("a printer", r"Brother [A-Z]{2,4}-\w{3,10} series|.{0,40}(?:Embedded Web Server|JetDirect)"),
    ("a power supply of APC", r"APC \| Log On|.{0,30}Network Management Card.{0,20}"),
    ("a camera", r"(?:AXIS|Axis) .{0,40}Camera.{0,20}|NETSurveillance WEB|Hikvision(?: Digital Technology)?"),
    (
        "a router",
        r"(?:TP-LINK|NETGEAR|D-LINK|ASUS|Linksys|Tenda|ZyXEL|DrayTek|Vigor) ?(?:Router|Login|Wireless).{0,30}",
    ),
    ("F5 BIG-IP", r"BIG-IP(?:&reg;|®)?-? ?(?:Redirect|.{0,30}Login.{0,10})?"),
)
_MACHINE = r"(?:[\w.-]{1,60} ?[-|:] ?)?"
_BY_TITLE = tuple((name, re.compile(f"{_MACHINE}(?:{title})", re.IGNORECASE)) for name, title in _TITLES)
# Servers that serve nothing but such pages.
_SERVER = re.compile(
    r"\nServer: (MiniServ|cpsrvd|iDRAC|HPE?-iLO-Server|RomPager|Allegro-Software-RomPager|SonicWALL|ATEN HTTP Server|"
    r"HP HTTP Server|HP-ChaiSOE|Virata-EmWeb|KM-MFP-http|CANON HTTP Server|EPSON-HTTP|DNVRS-Webs|Hikvision-Webs|"
    r"App-webs|GoAhead-Webs|mini_httpd-ilo)"
)


def administration_of(title: str, banner: str) -> str:
    """What it is the administration of, by its page's title or its server's name; "" where it looks like none."""
    if title:
        for name, pattern in _BY_TITLE:
            if pattern.fullmatch(title):
                return name
    served = _SERVER.search(banner)
    return served[1] if served else ""
